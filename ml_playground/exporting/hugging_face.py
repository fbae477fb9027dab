"""A folder that transformers loads without custom code: weights, configuration, tokenizer, generation settings."""

# transformers types its functions in part; what they return is compared with ours.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from ml_playground.durable import to_json, write_text
from ml_playground.errors import RunError, UserError, first_line
from ml_playground.exporting.fast_tokenizer import fast_tokenizer
from ml_playground.exporting.proof import Proof, prove
from ml_playground.exporting.safetensors_file import write_safetensors
from ml_playground.exporting.subject import Subject
from ml_playground.exporting.tokenizer_proof import prove_tokenizer
from ml_playground.models.build import family_of
from ml_playground.models.hugging_face import read_hugging_face
from ml_playground.text.tokenizer import is_chat

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def write_hugging_face(subject: Subject, folder: Path) -> None:
    """Write the model into an empty folder.

    Raises:
        UserError: If transformers has no such architecture, or no such tokenizer.
        OSError: If a file cannot be written.
    """
    model = subject.model
    try:
        theirs = family_of(model.args).to_hugging_face(model)
    except ValueError as error:
        raise UserError(f"{subject.trained.path}: cannot be exported: {error}") from None
    config = {**theirs.config, "dtype": "float32", **_special_ids(subject)}
    write_text(folder / CONFIG, to_json(config, indent=1))
    write_generation_config(subject, folder)
    fast_tokenizer(subject.tokenizer).write(folder, model.block_size)
    write_safetensors(folder / WEIGHTS, theirs.weights)


def prove_hugging_face(subject: Subject, folder: Path) -> Proof:
    """Load the folder as other programs do, and compare it with our model.

    Raises:
        RunError: If anything differs.
    """
    texts = prove_tokenizer(subject.tokenizer, folder, subject.windows().inputs)
    _prove_content(subject, folder)
    theirs = load_causal(folder)
    wanted = generation_config(subject)
    for name, own in _special_ids(subject).items():
        for config, value in ((theirs.config, own), (theirs.generation_config, wanted[name])):
            if (found := getattr(config, name, None)) != value:
                raise RunError(f"{name} of the exported model is {found}, not {value}")
    return prove(subject, theirs, texts)


def load_causal(folder: Path) -> Any:
    """Load a causal model with transformers, in float32.

    Raises:
        RunError: If transformers cannot load it, or weights are missing or left over.
    """
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        theirs, found = loaded
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise RunError(f"transformers cannot load it: {first_line(error)[:200]}") from None
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if found.get(problem):
            raise RunError(f"transformers finds {problem.replace('_keys', ' weights')}: {min(found[problem])}")
    return theirs.eval()


def _prove_content(subject: Subject, folder: Path) -> None:
    """Read the folder back: every setting and every weight must be that of the model, bit for bit."""
    model = subject.model
    try:
        again = family_of(model.args).from_hugging_face(read_hugging_face(folder))
    except (UserError, ValueError, KeyError, RuntimeError) as error:
        raise RunError(f"the exported model cannot be read back: {first_line(error)}") from None
    for name, value in model.args.items():
        if name != "bias" and again.args[name] != value:
            raise RunError(f"{name} of the exported model is {again.args[name]}, not {value}")
    state = model.state_dict()
    for name, tensor in again.state_dict().items():
        if not torch.equal(tensor, state.get(name, torch.zeros_like(tensor))):
            raise RunError(f"{name} of the exported model differs from the checkpoint's")


def write_generation_config(subject: Subject, folder: Path) -> None:
    """Write ``generation_config.json``."""
    write_text(folder / "generation_config.json", to_json(generation_config(subject), indent=1))


def generation_config(subject: Subject) -> dict[str, object]:
    """Return ``[sample.sample]`` in the terms of transformers, with all tokens that end a text."""
    model, tokenizer = subject.model, subject.tokenizer
    sampling = subject.config.sample.sample.token_sampling(model.generation.settings)
    settings: dict[str, object] = {
        "max_new_tokens": subject.config.sample.sample.max_new_tokens,
        "do_sample": sampling.temperature > 0,
    }
    if sampling.temperature > 0:
        names = ("temperature", "top_k", "top_p")
        settings |= {name: getattr(sampling, name) for name in names}
        settings |= {"min_p": sampling.min_p} if sampling.min_p else {}
    if sampling.repetition_penalty != 1:
        settings["repetition_penalty"] = sampling.repetition_penalty
    if tokenizer.vocab_size < model.vocab_size:  # nanoGPT pads GPT-2's vocabulary
        settings["suppress_tokens"] = list(range(tokenizer.vocab_size, model.vocab_size))
    ids = _special_ids(subject)
    ends = {*subject.model.generation.end_tokens, *(tokenizer.end_tokens if is_chat(tokenizer) else ())}
    settings |= {**ids, "pad_token_id": ids["eos_token_id"]}
    if ends - {tokenizer.end_of_text}:
        settings["eos_token_id"] = sorted(ends)
    return settings


def _special_ids(subject: Subject) -> dict[str, int | None]:
    """Return the ids, also where there are none: GPT-2 has its own by default."""
    return {"bos_token_id": subject.tokenizer.start_of_text, "eos_token_id": subject.tokenizer.end_of_text}
