"""A run that starts with the weights of another model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import ml_playground as mlp
from ml_playground.exporting.export import export
from ml_playground.runs.train import train
from tests.integration.conftest import Tiny

HF = Path("outputs/tiny/export/hf")
QWEN3: dict[str, object] = {"family": "qwen3", "n_head": 4, "n_kv_head": 2, "rope_theta": 500.0}
UNCHANGED: dict[str, object] = {"optim": {"learning_rate": 1e-30}, "schedule": {"min_lr": 0.0, "warmup_iters": 0}}
"""Training that changes no weight."""


def exported(tiny: Tiny, model: dict[str, object]) -> bytes:
    config = tiny(train={"model": model, "optim": {"learning_rate": 0.03}})
    train(config)
    export(config, "hf")
    return (HF / "model.safetensors").read_bytes()


def importing(tiny: Tiny, source: Path, model: dict[str, object], **prepare: object) -> mlp.ExperimentConfig:
    runtime = {"out_dir": "outputs/again", "max_iters": 1}
    return tiny(prepare=prepare, train={"model": {**model, "init_from": str(source)}, "runtime": runtime, **UNCHANGED})


@pytest.mark.parametrize("model", [{}, {"bias": True, "activation": "gelu"}, QWEN3], ids=["gpt", "nanogpt", "qwen3"])
def test_exported_imported_and_exported_again_the_weights_are_the_same_bytes(
    tiny: Tiny, model: dict[str, object]
) -> None:
    weights = exported(tiny, model)
    for prepare in ({}, {"tokenizer": "hf", "tokenizer_path": str(HF)}):
        config = importing(tiny, HF, model, **prepare)
        train(config)
        again = export(config, "hf")
        assert (again / "model.safetensors").read_bytes() == weights
        shutil.rmtree("outputs/again")


def test_a_run_starts_where_the_imported_model_was(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    exported(tiny, {})
    before = mlp.load_trained(Path("outputs/tiny"))
    for source in (HF, Path("outputs/tiny"), Path("outputs/tiny/ckpt_best.pt")):
        train(importing(tiny, source, {}))
        after = mlp.load_trained(Path("outputs/again"))
        assert after.val_loss == before.val_loss
        assert f"weights: {source}" in capsys.readouterr().err
        shutil.rmtree("outputs/again")


def test_nanogpts_checkpoint_is_imported(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    exported(tiny, {"activation": "gelu"})
    trained = mlp.load_trained(Path("outputs/tiny"))
    names = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")
    args = {name: trained.model.args[name] for name in names}
    content = {"model": trained.model.state_dict(), "model_args": args, "iter_num": 7}
    torch.save(content, "ckpt.pt")
    train(importing(tiny, Path("ckpt.pt"), {"activation": "gelu"}))
    assert mlp.load_trained(Path("outputs/again")).val_loss == trained.val_loss
    assert "note: ckpt.pt has no tokenizer to compare with the data's" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_own_weights(tiny: Tiny) -> None:
    exported(tiny, {})
    config = importing(tiny, HF, {})
    train(config)
    shutil.rmtree(HF)
    config.train.runtime.max_iters = 2
    assert train(config).step == 2


def change(**values: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps({**content, **values}), encoding="utf-8")

    return damage


def config_text(text: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "config.json").write_text(text, encoding="utf-8")

    return damage


def cut(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def other_tokens(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocab: dict[str, int] = content["model"]["vocab"]
    vocab["e"], vocab["n"] = vocab["n"], vocab["e"]
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")


MISFITS: list[tuple[Callable[[Path], None] | None, dict[str, object], str]] = [
    (None, {"n_layer": 2}, r"train\.model\.n_layer = 2: .* has 1; set n_layer = 1"),
    (None, {"n_embd": 32}, r"train\.model\.n_embd = 32: .* has 16; set n_embd = 16"),
    (None, {"activation": "gelu"}, r'activation = gelu: .* has gelu_tanh; set activation = "gelu_tanh"'),
    (None, {"block_size": 32}, r"block_size = 32: .* has 16; set block_size = 16"),
    (None, {**QWEN3, "n_head": 2}, r"model_type = 'gpt2': only 'qwen3' can be read"),
    (change(activation_function="relu"), {}, r"activation_function = 'relu': only 'gelu' and 'gelu_new'"),
    (change(n_embd="many"), {}, r"n_embd = 16: .* has many; set n_embd"),
    (change(vocab_size=7), {}, r"has a vocabulary of 7, and the data one of \d+; prepare the data with"),
    (config_text("[]"), {}, r"config\.json: is not a configuration"),
    (config_text("{"), {}, r"config\.json: is damaged"),
    (config_text('{"model_type": "gpt2"}'), {}, r"lacks n_layer, which a model of this"),
    (shutil.rmtree, {}, r"init_from = .*: does not exist; name a Hugging Face folder"),
    (cut, {}, r"model\.safetensors: is damaged"),
    (pickle_only, {}, r"has no weights in safetensors"),
    (other_tokens, {}, r"was trained on other tokens than the data has"),
]


def test_what_does_not_fit_is_refused_in_one_line(tiny: Tiny) -> None:
    exported(tiny, {})
    for number, (damage, model, problem) in enumerate(MISFITS):
        folder = Path(f"model{number}")
        shutil.copytree(HF, folder)
        if damage:
            damage(folder)
        with pytest.raises(mlp.UserError, match=problem) as error:
            train(importing(tiny, folder, model))
        assert "\n" not in str(error.value)
        assert not Path("outputs/again/run.json").exists()


def test_biases_are_not_left_out(tiny: Tiny) -> None:
    exported(tiny, {"bias": True})
    with pytest.raises(mlp.UserError, match=r"train\.model\.bias = false: .*hf has biases; set bias = true"):
        train(importing(tiny, HF, {}))
