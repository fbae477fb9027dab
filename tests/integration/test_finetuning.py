"""Finetuning of models of Hugging Face: the same trainer, with the same promises."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
import torch

import ml_playground as mlp
from ml_playground.exporting.config import Finetuned
from ml_playground.exporting.export import export
from ml_playground.models.build import create_model
from ml_playground.models.config import HuggingFaceConfig
from ml_playground.runs.train import train
from ml_playground.sampling.sample import sample
from tests.integration import children
from tests.integration.conftest import Tiny, last, logged
from tests.integration.finetuning import ARCHITECTURES, tables, write_model, write_tokenizer
from tests.integration.test_exactness import assert_resumes_exactly
from tests.integration.test_kills import assert_equal_runs, interrupt_often
from tests.workspace import TINY

FOLDER = Path("outputs/tiny")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("base") / "llama")


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("cuts", [(1,), (5,), (9,), (11,), (2, 3, 4)], ids=str)  # updates of each session
def test_a_resumed_run_is_equal_bit_for_bit(
    tiny: Tiny, base: Path, monkeypatch: pytest.MonkeyPatch, dropout: float, accumulation: int, cuts: tuple[int, ...]
) -> None:
    def config(name: str) -> mlp.ExperimentConfig:
        data: dict[str, object] = {"grad_accum_steps": accumulation}
        runtime: dict[str, object] = {"out_dir": name, "ema_decay": 0.9}
        return tiny(**tables(base, peft={"dropout": dropout}, data=data, runtime=runtime))

    assert_resumes_exactly(monkeypatch, config, cuts)


def test_only_adapters_are_trained_and_saved_and_the_loss_falls(tiny: Tiny, base: Path) -> None:
    runtime: dict[str, object] = {"ema_decay": 0.9, "max_iters": 40, "eval_interval": 20}
    train(tiny(**tables(base, optim={"learning_rate": 1e-2}, runtime=runtime)))
    state = last(FOLDER).checkpoint["state"]
    for names in (state["model"], state["ema"], state["optimizer"]["exp_avg"]):
        assert names
        assert all("lora_" in name for name in names)
    losses = [entry["val/loss"] for entry in logged(FOLDER) if "val/loss" in entry]
    assert losses[-1] < losses[0] - 0.1


def test_gradient_checkpointing_changes_no_loss(tiny: Tiny, base: Path) -> None:
    for name, on in (("plain", False), ("checkpointed", True)):
        changes = tables(base, model={"gradient_checkpointing": on}, runtime={"out_dir": name})
        train(tiny(**changes))
    assert logged(Path("plain")) == logged(Path("checkpointed"))


def test_the_models_generation_config_counts_unless_the_experiment_says_otherwise(tiny: Tiny, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")

    def text(**settings: float) -> str:
        config = mlp.SamplingConfig(max_new_tokens=20, **settings)  # type: ignore[arg-type]  # by name
        return mlp.generate_text(mlp.load_trained(FOLDER), "Herr", config)[0]

    train(tiny(**tables(folder, runtime={"max_iters": 2})))
    greedy = text(temperature=0.0)
    assert text() != greedy
    settings: dict[str, object] = {"do_sample": True, "top_k": 1}
    (folder / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert text() == greedy != text(top_k=0)
    tokens = mlp.load_trained(FOLDER).tokenizer
    assert tokens
    third = int(tokens.encode(greedy.removeprefix("Herr"))[2])
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, third]}), encoding="utf-8")
    assert greedy.startswith(text(temperature=0.0))
    assert text(temperature=0.0) != greedy


def test_a_run_is_sampled_with_and_without_its_adapters(
    tiny: Tiny, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def text(config: mlp.ExperimentConfig) -> str:
        capsys.readouterr()
        sample(config)
        return capsys.readouterr().out

    runtime: dict[str, object] = {"max_iters": 20, "eval_interval": 20}
    changes = tables(base, optim={"learning_rate": 5e-2}, runtime=runtime)
    changes["sample"] = {"sample": {"start": "Herr", "temperature": 0.0, "max_new_tokens": 20}}
    before = mlp.Trained(FOLDER, 0, create_model(HuggingFaceConfig(path=base, block_size=16).args(300)), None, [])
    train(tiny(**changes))
    before = replace(before, tokenizer=mlp.load_trained(FOLDER).tokenizer)
    (pretrained,) = mlp.generate_text(before, "Herr", mlp.SamplingConfig(max_new_tokens=20, temperature=0.0))
    finetuned = text(tiny(**changes))
    changes["sample"]["runtime"] = {"adapters": False}
    assert text(tiny(**changes)).strip() == pretrained.strip() != finetuned.strip()
    train(tiny(train={"runtime": {"max_iters": 2, "out_dir": "plain"}}))
    with pytest.raises(mlp.UserError, match="the model has no adapters; only LoRA finetuning adds some"):
        sample(tiny(train={"runtime": {"out_dir": "plain"}}, sample={"runtime": {"adapters": False}}))


def test_all_weights_are_trained_without_adapters(tiny: Tiny, base: Path) -> None:
    train(tiny(**tables(base, peft={"method": "full"})))
    assert set(last(FOLDER).checkpoint["state"]["model"]) == set(mlp.load_trained(FOLDER).model.state_dict())


def test_another_pretrained_model_under_the_same_name_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    train(tiny(**tables(folder, runtime={"max_iters": 4})))
    write_model(folder, seed=2)
    with pytest.raises(mlp.UserError, match="its weights have changed since the checkpoint was written"):
        train(tiny(**tables(folder)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_trains_resumes_samples_and_merges(tiny: Tiny, tmp_path: Path, architecture: str) -> None:
    folder = write_model(tmp_path / architecture, architecture)
    optim: dict[str, object] = {"learning_rate": 1e-2}
    train(tiny(**tables(folder, optim=optim, runtime={"max_iters": 4})))
    config = tiny(**tables(folder, optim=optim, runtime={"max_iters": 8}))
    assert train(config).step == 8
    trained = mlp.load_trained(FOLDER)
    (text,) = mlp.generate_text(trained, "Herr", mlp.SamplingConfig(max_new_tokens=5))
    assert text.startswith("Herr")
    assert (export(config, "hf") / "model.safetensors").exists()  # verified in transformers


READ = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base, adapter, merged, ids, out = sys.argv[1:]
ids = torch.load(ids)
plain = AutoModelForCausalLM.from_pretrained(base)
adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
both = [model.eval()(ids).logits.detach() for model in (plain, adapted, AutoModelForCausalLM.from_pretrained(merged))]
torch.save(both, out)
"""


def test_peft_and_transformers_compute_the_same_with_what_is_exported(tiny: Tiny, base: Path) -> None:
    config = tiny(**tables(base, optim={"learning_rate": 1e-2}, peft={"use_rslora": True}))
    train(config)
    trained = mlp.load_trained(FOLDER)
    ids = torch.randint(2, 300, (2, 16), generator=torch.Generator().manual_seed(1))
    for form in Finetuned:
        config.export.finetuned, config.export.export_dir = form, Path(form.name)
        export(config, "hf")
        card = Path(form.name, "hf", "README.md").read_text(encoding="utf-8")
        assert "- Largest difference of a logit: " in card
        assert f'base_model: "{base}"' in card
    torch.save(ids, "ids.pt")
    command = [sys.executable, "-c", READ, str(base), "adapter/hf", "merged/hf", "ids.pt", "logits.pt"]
    subprocess.run(command, check=True, capture_output=True)
    plain, adapted, merged = torch.load("logits.pt", weights_only=True)
    with torch.no_grad():
        ours = trained.model.eval()(ids)
    assert not torch.allclose(plain, ours, atol=1e-3)
    assert torch.allclose(adapted, ours, atol=1e-5)
    assert torch.allclose(merged, ours, atol=1e-5)


def test_where_all_weights_were_trained_there_is_no_adapter_to_export(tiny: Tiny, base: Path) -> None:
    config = tiny(**tables(base, peft={"method": "full"}))
    train(config)
    config.export.finetuned = Finetuned.adapter
    with pytest.raises(mlp.UserError, match=r"export\.finetuned = adapter: the model has none"):
        export(config, "hf")
    assert not list(Path(FOLDER, "export").glob("*hf"))
    config.export.finetuned = Finetuned.merged
    assert (export(config, "hf") / "model.safetensors").exists()


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def enormous(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    size = {"hidden_size": 1 << 16, "intermediate_size": 1 << 18, "num_hidden_layers": 40}
    (folder / "config.json").write_text(json.dumps({**config, **size}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "changes", "problem"),
    [
        (enormous, {}, r"train\.model: [\d,]+ parameters need at least .* GB .* are free; use a smaller model"),
        (None, {"data": {"batch_size": 10**7}}, r"train\.data\.batch_size = 10000000: .*needs about"),
        (shutil.rmtree, {}, r"prepare\.tokenizer_path = .*model: is neither a folder nor a name on the hub"),
        (no_tokenizer, {}, r"tokenizer\.json cannot be read: No such file"),
        (pickle_only, {}, r"train\.model\.path = .*has no weights in safetensors that can be used"),
        (None, {"peft": {"target_modules": ["q_prj"]}}, r"target_modules = q_prj: .*no such .*; there are: .*q_proj"),
        (None, {"data": {"block_size": 65}}, r"block_size = 65: .*has positions for 64 tokens"),
        (None, {"prepare": {"tokenizer": "bpe", "vocab_size": 400}}, r"vocabulary of 300 is smaller than that of the"),
    ],
)  # fmt: skip
def test_what_cannot_be_finetuned_is_refused_in_one_line(
    tiny: Tiny, tmp_path: Path, damage: object, changes: dict[str, dict[str, object]], problem: str
) -> None:
    folder = write_model(tmp_path / "model")
    if callable(damage):
        damage(folder)
    with pytest.raises(mlp.UserError, match=problem) as error:
        train(tiny(**tables(folder, **{key: dict(value) for key, value in changes.items()})))
    assert "\n" not in str(error.value)


def test_a_tokenizer_without_an_end_token_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "model")
    (tmp_path / "model" / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(mlp.UserError, match="names no eos_token"):
        mlp.prepare(tiny(**tables(tmp_path / "model")))


def test_a_real_pretrained_model_writes_what_it_should(shared: Path) -> None:
    model = create_model(HuggingFaceConfig(path=shared / "tiny-lm" / "stories260K", block_size=512).args(512))
    config = mlp.PrepareConfig(tokenizer="hf", tokenizer_path=shared / "tiny-lm" / "stories260K")
    from ml_playground.text.tokenizer import train_tokenizer

    trained = mlp.Trained(Path("base"), 0, model, train_tokenizer(config, []), [])
    (text,) = mlp.generate_text(trained, "", mlp.SamplingConfig(max_new_tokens=200, temperature=0.0), dtype="float32")
    expected = (shared / "tiny-lm" / "stories260K-expected-greedy.txt").read_text(encoding="utf-8")
    assert text.strip() == expected.strip()


def test_a_real_pretrained_model_learns_shakespeare(shared: Path, tiny: Tiny) -> None:
    changes = tables(
        shared / "tiny-lm" / "stories260K",
        data={"batch_size": 8, "block_size": 128},
        optim={"learning_rate": 5e-3, "weight_decay": 0.0},
        runtime={"max_iters": 60, "eval_interval": 60, "eval_iters": 20, "threads": 1},
        prepare={"preparer": "shakespeare", "input": str(shared / "tinyshakespeare" / "input.txt")},
    )
    train(tiny(**changes))
    before, after = (entry["val/loss"] for entry in logged(FOLDER) if "val/loss" in entry)
    assert after < 0.75 * before


def test_attention_computes_what_that_of_torch_does(base: Path) -> None:
    from ml_playground.models.hf import PretrainedLanguageModel  # imports transformers, which takes seconds

    torch.manual_seed(1)
    config = HuggingFaceConfig(path=base, block_size=64)
    model = create_model(config.args(300))
    assert isinstance(model, PretrainedLanguageModel)
    ids = torch.randint(300, (2, 33))

    def loss_and_gradients() -> list[torch.Tensor]:
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model.loss(ids[:, :-1], ids[:, 1:])
        loss.backward()
        return [loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]

    ours = loss_and_gradients()
    model.causal.set_attn_implementation("eager")
    theirs = loss_and_gradients()
    assert len(ours) > 1
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=2e-2 * float(other.abs().max()) + 1e-6)


@pytest.mark.nightly  # each child imports transformers
def test_killed_ten_times_a_run_ends_as_if_it_never_was(workspace: Path, base: Path) -> None:
    def config(name: str) -> Path:
        runtime: dict[str, object] = {"out_dir": name, "max_iters": 600, "eval_interval": 20}
        settings, changes = tomllib.loads(TINY), tables(base)
        settings["prepare"].update(changes["prepare"])
        settings["train"]["model"] = changes["train"]["model"]
        settings["train"]["runtime"].update(runtime)
        path = workspace / f"{name}.toml"
        path.write_text(tomli_w.dumps(settings), encoding="utf-8")
        return path

    assert children.finish(workspace, config("whole")) == 0, children.log(workspace)
    interrupt_often(workspace, config("parts"), [signal.SIGKILL] * 10, seed=1)
    assert_equal_runs(Path("whole"), Path("parts"))
