"""A Hugging Face folder: transformers computes the same with it, and single faults in it are found."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]  # typed in part

import ml_playground as mlp
from ml_playground.errors import RunError
from ml_playground.exporting.config import Finetuned
from ml_playground.exporting.export import export
from ml_playground.exporting.hugging_face import prove_hugging_face
from ml_playground.exporting.place import RECORD
from ml_playground.exporting.subject import load_subject
from ml_playground.runs.train import train
from tests.integration.conftest import Tiny
from tests.integration.finetuning import tables, write_model

HF = Path("outputs/tiny/export/hf")
FAMILIES: dict[str, dict[str, object]] = {
    "gpt": {},
    "gpt with biases": {"bias": True},
    "qwen3": {"family": "qwen3", "n_head": 4, "n_kv_head": 2, "n_layer": 2, "rope_theta": 500.0},
}
READ = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
import torch
folder, texts = sys.argv[1:]
model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
texts = json.load(open(texts))
ids = [tokenizer(text)["input_ids"] for text in texts]
logits = model(torch.tensor(ids[0][:16]).unsqueeze(0)).logits.tolist()
json.dump({"logits": logits, "ids": ids, "texts": [tokenizer.decode(row) for row in ids]}, sys.stdout)
assert "ml_playground" not in sys.modules
"""


def read_elsewhere(folder: Path, texts: list[str]) -> dict[str, Any]:
    """What a process computes that knows transformers only."""
    Path("texts.json").write_text(json.dumps(texts), encoding="utf-8")
    command = [sys.executable, "-c", READ, str(folder), "texts.json"]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def trained(tiny: Tiny, model: dict[str, object], **prepare: object) -> mlp.ExperimentConfig:
    config = tiny(prepare=prepare, train={"model": model, "optim": {"learning_rate": 0.03}})
    train(config)
    return config


@pytest.mark.parametrize("family", ["gpt with biases", "qwen3"])
def test_another_process_computes_and_encodes_the_same(tiny: Tiny, family: str) -> None:
    config = trained(tiny, FAMILIES[family])
    assert export(config, "hf") == HF
    run, text = mlp.load_trained(Path("outputs/tiny")), Path("input.txt").read_text(encoding="utf-8")
    source = random.Random(1)
    starts = [source.randrange(len(text) - 60) for _ in range(10_000)]
    texts = [text[start : start + source.randrange(20, 60)] for start in starts]
    there = read_elsewhere(HF, texts)
    assert run.tokenizer is not None
    assert there["ids"] == [run.tokenizer.encode(text).tolist() for text in texts]
    assert there["texts"] == texts
    with torch.no_grad():
        ours = run.model.eval()(torch.tensor(there["ids"][0][:16]).unsqueeze(0))
    assert torch.allclose(torch.tensor(there["logits"]), ours, atol=1e-5)


@pytest.mark.parametrize(
    "prepare",
    [{"tokenizer": "char_ngram", "ngram": 3}, {"tokenizer": "bpe", "vocab_size": 300}],
    ids=lambda prepare: str(prepare["tokenizer"]),
)
def test_other_tokenizers_are_exported(tiny: Tiny, prepare: dict[str, object]) -> None:
    export(trained(tiny, {}, **prepare), "hf")
    record = json.loads((HF / RECORD).read_text(encoding="utf-8"))
    assert record["verified_with"].startswith("transformers ")
    assert record["proof"]["texts"] > 2000
    assert record["proof"]["perplexity"] == pytest.approx(record["proof"]["their_perplexity"], rel=1e-3)


def test_the_card_says_what_it_is_and_how_to_repeat_it(tiny: Tiny) -> None:
    config = trained(tiny, {})
    export(config, "hf")
    card = (HF / "README.md").read_text(encoding="utf-8")
    for expected in (
        "# bundestag_char",
        "| family | gpt |",
        "| step | 12 |",
        "| documents | 1 |",
        "all of them equal: ",
    ):
        assert expected in card
    assert "mlp train bundestag_char --exp-config experiment.toml" in card
    assert mlp.load_experiment("bundestag_char", HF / "experiment.toml") == config


@contextlib.contextmanager
def no_larger_files_than(size: int) -> Generator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("form", ["own", *Finetuned])
def test_a_folder_that_cannot_be_written_is_told_in_one_line_and_leaves_nothing(
    tiny: Tiny, tmp_path: Path, form: str | Finetuned
) -> None:
    changes = tables(write_model(tmp_path / "base")) if isinstance(form, Finetuned) else {}
    config = tiny(**changes)
    config.export.finetuned = form if isinstance(form, Finetuned) else Finetuned.merged
    train(config)
    with (
        no_larger_files_than(4096),
        pytest.raises(RunError, match=r"hf: cannot be written: .*nothing is left") as error,
    ):
        export(config, "hf")
    assert "\n" not in str(error.value)
    assert [path.name for path in HF.parent.iterdir()] == [".hf.lock"]


Weights = dict[str, torch.Tensor]
Change = Callable[[Path], None]


def weight(name: str, change: Callable[[Weights, str], None]) -> Change:
    """A fault in the first matrix with such a name."""

    def damage(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights, next(key for key in sorted(weights) if name in key))
        save_file({key: tensor.contiguous() for key, tensor in weights.items()}, folder / "model.safetensors")

    return damage


def scale(weights: Weights, name: str) -> None:
    weights[name] *= 1.001


def cut_dtype(weights: Weights, name: str) -> None:
    weights[name] = weights[name].half().float()


def flip(weights: Weights, name: str) -> None:
    weights[name] = weights[name].flip(0)


def remove(weights: Weights, name: str) -> None:
    del weights[name]


def swap_rows(weights: Weights, name: str) -> None:
    weights[name][[3, 4]] = weights[name][[4, 3]]


def swap_layers(weights: Weights, name: str) -> None:
    other = name.replace(".0.", ".1.")
    weights[name], weights[other] = weights[other], weights[name]


def transpose(weights: Weights, name: str) -> None:
    weights[name] = weights[name].t()


def table(file: str, **changes: object) -> Change:
    """Other values in a file of JSON."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        (folder / file).write_text(json.dumps({**content, **changes}), encoding="utf-8")

    return damage


def vocabulary(change: Callable[[dict[str, Any]], None]) -> Change:
    """A fault in ``tokenizer.json``."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        change(content)
        (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")

    return damage


def swap_tokens(content: dict[str, Any]) -> None:
    vocab = content["model"]["vocab"]
    first, second = sorted(vocab, key=vocab.get)[4:6]
    vocab[first], vocab[second] = vocab[second], vocab[first]


def lose_a_merge(content: dict[str, Any]) -> None:
    del content["model"]["merges"][-1]


def swap_merges(content: dict[str, Any]) -> None:
    merges = content["model"]["merges"]
    merges[0], merges[3] = merges[3], merges[0]


def add_a_prefix_space(content: dict[str, Any]) -> None:
    content["pre_tokenizer"]["add_prefix_space"] = True


def lose_the_decoder(content: dict[str, Any]) -> None:
    content["decoder"] = None


def lower_case(content: dict[str, Any]) -> None:
    content["normalizer"] = {"type": "Lowercase"}


EVERYWHERE: dict[str, Change] = {
    "weight scaled": weight("proj.weight", scale),
    "dtype cut": weight("proj.weight", cut_dtype),
    "weight missing": weight("proj.weight", remove),
    "two tokens swapped": vocabulary(swap_tokens),
    "a merge missing": vocabulary(lose_a_merge),
    "two merges swapped": vocabulary(swap_merges),
    "a space before each text": vocabulary(add_a_prefix_space),
    "no decoder": vocabulary(lose_the_decoder),
    "lower case": vocabulary(lower_case),
    "end-of-text token of the tokenizer": table("tokenizer_config.json", eos_token="a"),  # noqa: S106  # no password
    "no end-of-text token": table("tokenizer_config.json", eos_token=None),
    "special tokens in texts": table("tokenizer_config.json", split_special_tokens=False),
    "end-of-text token of the model": table("config.json", eos_token_id=1),
    "end-of-text token of generation": table("generation_config.json", eos_token_id=1),
    "tied head": table("config.json", tie_word_embeddings=False),
}  # fmt: skip
GPT: dict[str, Change] = {
    "embeddings swapped": weight("wte", swap_rows),
    "norm flipped": weight("ln_f.weight", flip),
    "epsilon": table("config.json", layer_norm_epsilon=1e-6),
    "head count": table("config.json", n_head=1),
    "context": table("config.json", n_positions=8),
    "activation": table("config.json", activation_function="gelu"),
    "layer count": table("config.json", n_layer=1),
    "transposed": weight("attn.c_proj.weight", transpose),
    "positions swapped": weight("wpe", swap_rows),
    "layers swapped": weight(".0.mlp.c_fc.weight", swap_layers),
}
QWEN3: dict[str, Change] = {
    "embeddings swapped": weight("embed_tokens", swap_rows),
    "norm flipped": weight("model.norm.weight", flip),
    "epsilon": table("config.json", rms_norm_eps=2e-6),
    "theta": table("config.json", rope_parameters={"rope_type": "default", "rope_theta": 501.0}),
    "head count": table("config.json", num_attention_heads=2, head_dim=8),
    "shared keys": table("config.json", num_key_value_heads=1),
    "context": table("config.json", max_position_embeddings=32),
    "activation": table("config.json", hidden_act="gelu"),
    "transposed": weight("o_proj.weight", transpose),
    "layers swapped": weight("layers.0.self_attn.q_norm", swap_layers),
}


@pytest.mark.parametrize(
    ("model", "faults"),
    [({"n_layer": 2}, EVERYWHERE | GPT), ({**FAMILIES["qwen3"], "n_embd": 16}, EVERYWHERE | QWEN3)],
    ids=["gpt", "qwen3"],
)
def test_single_faults_are_found(tiny: Tiny, model: dict[str, object], faults: dict[str, Change]) -> None:
    config = trained(tiny, model, tokenizer="bpe", vocab_size=300)
    export(config, "hf")
    subject = load_subject(config)
    prove_hugging_face(subject, HF)
    for fault, damage in faults.items():
        shutil.copytree(HF, fault)
        damage(Path(fault))
        with pytest.raises(RunError) as error:  # noqa: PT012
            prove_hugging_face(subject, Path(fault))
            pytest.fail(f"not found: {fault}")
        assert "\n" not in str(error.value)
