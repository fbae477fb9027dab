"""Text from run folders: ours and nanoGPT's."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
import torch

from ml_playground.commands.loop import loop
from ml_playground.errors import CheckpointError, DataError, DivergedError, RunFolderError
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.train import train
from ml_playground.sampling.sample import sample
from ml_playground.training.loading import load_trained
from tests.integration.conftest import Tiny

FOLDER = Path("outputs/tiny")
SEPARATOR = "\n---------------\n"


def test_a_loop_prepares_trains_samples_and_saves_what_it_shows(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    loop(tiny(sample={"sample": {"start": "Herr", "num_samples": 2}}))
    output = capsys.readouterr().out
    (saved,) = (FOLDER / "samples").iterdir()
    first, second = saved.read_text(encoding="utf-8").split("\n---------------\n")
    assert first.startswith("Herr")
    assert len(first) == len(second) - 1 == 4 + 40
    assert first != second.rstrip("\n")
    assert first in output
    assert second in output


def test_stop_strings_end_each_sample_on_its_own(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny())
    wanted = {"start": "Herr", "num_samples": 4, "temperature": 2.0, "max_new_tokens": 80}
    sample(tiny(sample={"sample": wanted}))
    whole = capsys.readouterr().out.removesuffix("\n").split(SEPARATOR)
    sample(tiny(sample={"sample": {**wanted, "stop": ["n", "er "]}}))
    output = capsys.readouterr().out.removesuffix("\n")
    ends = [
        min((4 + text[4:].find(stop) for stop in ("n", "er ") if stop in text[4:]), default=len(text)) for text in whole
    ]
    assert len(set(ends)) > 1
    assert output == SEPARATOR.join(text[:end] for text, end in zip(whole, ends, strict=True))
    newest = max((FOLDER / "samples").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert newest.read_text(encoding="utf-8") == f"{output}\n"


def test_samplings_of_the_same_second_have_files_of_their_own(tiny: Tiny) -> None:
    train(tiny())
    for _ in range(4):
        sample(tiny(sample={"sample": {"max_new_tokens": 1}}))
    assert len(list((FOLDER / "samples").iterdir())) == 4


def test_a_model_of_the_other_family_writes_past_its_context(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    tables = {"train": {"model": {"family": "qwen3"}}, "sample": {"sample": {"start": "Herr", "num_samples": 2}}}
    loop(tiny(**tables))
    assert [len(text) for text in capsys.readouterr().out.removesuffix("\n").split(SEPARATOR)] == [44, 44]


def test_the_same_seed_writes_the_same_text(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny())
    texts: list[str] = []
    for seed in (1, 1, 2):
        sample(tiny(sample={"runtime": {"seed": seed}}))
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


def test_the_best_is_preferred_to_the_last(tiny: Tiny) -> None:
    train(tiny())
    assert load_trained(FOLDER).path.name == "ckpt_best.pt"
    (FOLDER / "ckpt_best.pt").unlink()
    assert load_trained(FOLDER).path.name == "ckpt_last.pt"


def test_a_damaged_best_is_said_aloud_and_the_last_used(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny())
    (FOLDER / "ckpt_best.pt").write_bytes(b"")
    sample(tiny())
    errors = capsys.readouterr().err
    assert "warning: outputs/tiny/ckpt_best.pt does not match its manifest's SHA-256; using another" in errors
    assert "sampling: outputs/tiny/ckpt_last.pt" in errors


def test_averaged_weights_are_the_ones_sampled(tiny: Tiny) -> None:
    train(tiny(train={"runtime": {"ema_decay": 0.9}, "optim": {"learning_rate": 0.05}}))
    content = torch.load(FOLDER / "ckpt_best.pt", weights_only=True)["state"]
    name = "transformer.wte.weight"
    model = load_trained(FOLDER).model
    assert torch.equal(model.get_parameter(name), content["ema"][name])
    assert not torch.equal(model.get_parameter(name), content["model"][name])
    assert torch.equal(model.get_parameter("lm_head.weight"), content["ema"][name])


def test_characters_outside_the_vocabulary_are_shown(tiny: Tiny) -> None:
    train(tiny())
    with pytest.raises(DataError, match=r"sample\.start: not in the vocabulary: '@' \(U\+0040\), '€' \(U\+20AC\)"):
        sample(tiny(sample={"sample": {"start": "@ 1 €"}}))
    assert not (FOLDER / "samples").exists()


def test_an_empty_prompt_is_refused(tiny: Tiny) -> None:
    train(tiny())
    with pytest.raises(DataError, match=r"sample\.sample\.start: is empty"):
        sample(tiny(sample={"sample": {"start": ""}}))


def test_without_a_checkpoint_the_mend_is_to_train(tiny: Tiny) -> None:
    with pytest.raises(RunFolderError, match="no checkpoint here; train first"):
        sample(tiny())


@pytest.fixture
def nanogpt(tiny: Tiny) -> Path:
    """A folder with a ``ckpt.pt`` as nanoGPT writes it after compiling, for the tiny text."""
    train(tiny())
    ours = torch.load(FOLDER / "ckpt_last.pt", weights_only=True)
    weights = {f"_orig_mod.{name}": tensor for name, tensor in ours["state"]["model"].items()}
    for name in ("transformer.wte", "lm_head"):  # it knows no end of a text
        weights[f"_orig_mod.{name}.weight"] = weights[f"_orig_mod.{name}.weight"][:-1]
    args = {name: value for name, value in ours["model_args"].items() if name != "family"}
    args["vocab_size"] -= 1
    weights["_orig_mod.transformer.h.0.attn.bias"] = torch.ones(1, 1, 16, 16)
    folder = Path("nanogpt")
    folder.mkdir()
    torch.save(
        {
            "model": weights,
            "optimizer": {},
            "model_args": args,
            "iter_num": 2000,
            "best_val_loss": torch.tensor(1.9),
            "config": {"dataset": "shakespeare_char"},
        },
        folder / "ckpt.pt",
    )
    return folder


def test_a_nanogpt_checkpoint_samples(tiny: Tiny, nanogpt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample(tiny(sample={"sample": {"temperature": 0.0}}))
    ours = capsys.readouterr().out
    (FOLDER / "ckpt_best.pt").unlink()
    sample(tiny(sample={"runtime": {"out_dir": str(nanogpt)}, "sample": {"temperature": 0.0}}))
    captured = capsys.readouterr()
    assert captured.out == ours
    assert "sampling: nanogpt/ckpt.pt, step 2,000" in captured.err


def test_a_nanogpt_checkpoint_of_a_smaller_vocabulary_than_the_datas_is_refused(
    tiny: Tiny, nanogpt: Path, workspace: Path
) -> None:
    characters = "".join(chr(point) for point in range(0x400, 0x480))
    (workspace / "input.txt").write_text(characters * 10, encoding="utf-8")
    with pytest.raises(DataError, match="the data of bundestag_char one of 128"):
        sample(tiny(sample={"runtime": {"out_dir": str(nanogpt)}}))


@pytest.mark.parametrize("args", [{"n_layer": 1}, {"n_layers": 1}, {"family": "other"}], ids=str)
def test_a_nanogpt_checkpoint_of_another_shape_is_refused(tiny: Tiny, args: dict[str, object]) -> None:
    FOLDER.mkdir(parents=True)
    torch.save({"model": {"a": torch.ones(1)}, "model_args": args, "iter_num": 1}, FOLDER / "ckpt.pt")
    with pytest.raises(CheckpointError, match="are not those of a GPT of nanoGPT: "):
        sample(tiny())


def test_what_is_no_nanogpt_checkpoint_is_refused(tiny: Tiny) -> None:
    FOLDER.mkdir(parents=True)
    torch.save({"weights": torch.ones(1)}, FOLDER / "ckpt.pt")
    with pytest.raises(CheckpointError, match="is not a nanoGPT checkpoint"):
        sample(tiny())


def test_prepare_says_what_it_did_once(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(tiny())
    assert "\nprepared: " in capsys.readouterr().err
    prepare(tiny())
    assert "\nalready prepared: " in capsys.readouterr().err


@pytest.mark.parametrize("vocab_size", [34, 36])
def test_a_nanogpt_checkpoint_of_any_other_vocabulary_is_refused(
    tiny: Tiny, workspace: Path, nanogpt: Path, vocab_size: int
) -> None:
    characters = "".join(chr(point) for point in range(0x400, 0x400 + vocab_size))
    (workspace / "input.txt").write_text(characters * 40, encoding="utf-8")
    with pytest.raises(DataError, match=rf"has a vocabulary of 35, .* one of {vocab_size}; set \[prepare\]"):
        sample(tiny(sample={"runtime": {"out_dir": str(nanogpt)}}))


def test_a_checkpoint_file_that_is_named_is_used(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny(train={"runtime": {"ckpt_top_k": 4}}))
    sample(tiny(sample={"runtime": {"checkpoint": "outputs/tiny/ckpt_step000004.pt"}}))
    assert "sampling: outputs/tiny/ckpt_step000004.pt, step 4" in capsys.readouterr().err
    (FOLDER / "ckpt_step000004.json").unlink()
    with pytest.raises(CheckpointError, match=r"ckpt_step000004\.json, which has its SHA-256, is missing"):
        sample(tiny(sample={"runtime": {"checkpoint": "outputs/tiny/ckpt_step000004.pt"}}))
    with pytest.raises(RunFolderError, match=r"sample\.runtime\.checkpoint: gone\.pt does not exist"):
        sample(tiny(sample={"runtime": {"checkpoint": "gone.pt"}}))


def test_weights_that_are_not_finite_are_not_sampled_from(tiny: Tiny) -> None:
    wild = {"optim": {"learning_rate": 1e30, "grad_clip": 0.0}, "schedule": {"warmup_iters": 0}}
    with pytest.raises(DivergedError):
        train(tiny(train={**wild, "runtime": {"on_nonfinite": "skip"}}))
    with pytest.raises(DivergedError, match="the model computes what is not finite"):
        sample(tiny(sample={"runtime": {"checkpoint": "outputs/tiny/ckpt_last.pt"}}))


def test_prompts_have_the_form_that_the_text_was_brought_into(tiny: Tiny, workspace: Path) -> None:
    text = (workspace / "input.txt").read_text(encoding="utf-8")
    (workspace / "input.txt").write_text(unicodedata.normalize("NFD", text), encoding="utf-8")
    tables = {"prepare": {"normalize": "NFC"}, "sample": {"sample": {"start": "u\u0308ber"}}}
    loop(tiny(**tables))
    (saved,) = (FOLDER / "samples").iterdir()
    assert saved.read_text(encoding="utf-8").startswith("\u00fcber")
    meta = json.loads(next(Path("outputs/data").glob("*/meta.json")).read_text(encoding="utf-8"))
    assert meta["normalize"] == "NFC"
