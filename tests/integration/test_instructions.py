"""Instruction data: from JSON lines to a finetuned model that answers."""

from __future__ import annotations

import json
import shutil
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import torch

import ml_playground as mlp
from ml_playground.dataset.batches import Batches
from ml_playground.dataset.summary import print_summary
from ml_playground.models.build import create_model
from ml_playground.models.config import HuggingFaceConfig
from ml_playground.runs.listing import find_runs
from ml_playground.runs.train import train
from ml_playground.sampling.sample import sample
from ml_playground.text.tokenizer import is_chat
from tests.integration.conftest import Tiny, logged
from tests.integration.finetuning import ARCHITECTURES, write_architecture
from tests.integration.test_exactness import assert_resumes_exactly

TRL = Path(__file__).parent / "recorded" / "trl"
FOLDER = Path("outputs/tiny")


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with a tokenizer that has a chat template."""
    folder = tmp_path_factory.mktemp("chat") / "llama"
    write_architecture(folder, "llama", vocab_size=320)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TRL / name, folder)
    return folder


def chat(question: str, answer: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


ROWS = [chat(f"Punkt {number}?", "Haushalt. " * (number % 4 + 1)) for number in range(30)]


def write(*rows: object) -> None:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    Path("rows.jsonl").write_text("\n".join(lines), encoding="utf-8")


def tables(folder: Path, **changes: dict[str, object]) -> dict[str, dict[str, object]]:
    prepare: dict[str, object] = {
        "preparer": "instructions", "input": "rows.jsonl", "tokenizer": "hf", "tokenizer_path": str(folder),
        "instructions": changes.pop("instructions", {}),
    }  # fmt: skip
    model: dict[str, object] = {"family": "hf", "path": str(folder)}
    sampling = changes.pop("sampling", {})
    return {
        "prepare": prepare,
        "train": {"model": model, "data": {"block_size": 48, "batch_size": 2}, **changes},
        "sample": {"sample": {"max_new_tokens": 4, **sampling}},
    }


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("cuts", [(5,), (2, 3, 4)], ids=str)
def test_a_resumed_run_is_equal_bit_for_bit(
    tiny: Tiny, chat_model: Path, monkeypatch: pytest.MonkeyPatch, cuts: tuple[int, ...], *, packing: bool
) -> None:
    write(*ROWS)
    sampler = "shuffled" if packing else "random"
    data: dict[str, object] = {
        "grad_accum_steps": 3,
        "block_size": 48,
        "batch_size": 2,
        "packing": packing,
        "sampler": sampler,
    }

    def config(name: str) -> mlp.ExperimentConfig:
        return tiny(**tables(chat_model, data=data, runtime={"out_dir": name}))

    assert_resumes_exactly(monkeypatch, config, cuts)


def test_a_model_learns_to_answer_and_to_stop(tiny: Tiny, chat_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(*(chat(f"Punkt {number % 7}?", "Haushalt") for number in range(30)))
    peft: dict[str, object] = {"method": "full"}
    changes = tables(
        chat_model,
        optim={"learning_rate": 2e-2},
        runtime={"max_iters": 40, "eval_interval": 40, "sample_tokens": 40},
        sampling={"start": "Punkt 1?", "max_new_tokens": 40, "temperature": 0.0},
    )
    changes["train"]["model"] = {"family": "hf", "path": str(chat_model), "peft": peft}
    config = tiny(**changes)
    train(config)
    capsys.readouterr()
    sample(config)
    assert capsys.readouterr().out == "Punkt 1?\n\nHaushalt\n"
    (text,) = mlp.generate_text(mlp.load_trained(FOLDER), "Punkt 2?", mlp.SamplingConfig(temperature=0.0))
    assert text == "Punkt 2?\n\nHaushalt"
    *_, excerpt = [str(entry["sample"]) for entry in logged(FOLDER) if "sample" in entry]
    assert excerpt == "Punkt 1?\n\nHaushalt"


def test_bits_per_byte_are_those_of_the_answers_in_the_curve_and_in_the_listing(tiny: Tiny, chat_model: Path) -> None:
    write(*ROWS)
    train(tiny(**tables(chat_model, runtime={"max_iters": 4})))
    (run,) = find_runs(Path("outputs"))
    best = min(entry["val/bits_per_byte"] for entry in logged(FOLDER) if "val/loss" in entry)
    assert run.bits_per_byte == pytest.approx(best)


def test_an_update_does_not_depend_on_how_its_examples_are_split(tiny: Tiny, chat_model: Path) -> None:
    write(*ROWS)
    for name, size, steps in (("one", 6, 1), ("three", 2, 3)):
        data: dict[str, object] = {
            "batch_size": size, "grad_accum_steps": steps, "block_size": 48, "sampler": "shuffled", "packing": False
        }  # fmt: skip
        runtime: dict[str, object] = {"out_dir": name, "max_iters": 3, "sample_tokens": 0}
        train(tiny(**tables(chat_model, data=data, runtime=runtime)))
    for one, three in zip(logged(Path("one")), logged(Path("three")), strict=True):
        assert one == pytest.approx(three, rel=1e-5)


def test_planted_faults_are_named_with_their_lines(
    tiny: Tiny, chat_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [chat(f"Frage {number} zu {number * 37}?", f"Antwort {number} mit {number * 91}.") for number in range(12)]
    wrong_order = {"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]}
    near = chat("Was sagt der Präsident heute im Haus zum Haushalt?", "Er sagt, dass wir reden müssen, und zwar jetzt.")
    rows: list[object] = [
        *good,
        chat("leer", ""),
        chat("x " * 60, "weg"),
        wrong_order,
        good[3],
        "{",
        chat("kurz", "lang " * 60),
        near,
        near,
    ]
    write(*rows)
    assert len(rows) == 20
    with pytest.raises(mlp.UserError, match=r"rows\.jsonl:13: its answer is empty; fix the row, or skip such rows"):
        mlp.prepare(tiny(**tables(chat_model)))
    assert not list(Path("outputs/data").glob("instructions-*"))
    dataset = mlp.prepare(tiny(**tables(chat_model, instructions={"on_bad_row": "skip"})))
    capsys.readouterr()
    print_summary(dataset)
    shown = capsys.readouterr().out
    for wanted in (
        "skipped rows", "4: line 13: its answer is empty; line 14: has no token that counts",
        "line 15: message 1 is of 'assistant', where one of 'user' belongs", "line 17: is not JSON",
        "truncated rows", "line 18 lost", "counted tokens", "those that count in the loss are marked with >",
        "<s>·<|im_start|>·",
    ):  # fmt: skip
        assert wanted in shown
    assert "repeated rows" in shown or "also in train" in shown
    assert dataset.meta.documents == 16


def test_prompts_and_completions_are_plain_text(tiny: Tiny, chat_model: Path) -> None:
    write(*({"prompt": f"Frage {number}:", "completion": " ja"} for number in range(20)))
    train(tiny(**tables(chat_model, runtime={"max_iters": 4})))
    (text,) = mlp.generate_text(mlp.load_trained(FOLDER), "Frage 1:", mlp.SamplingConfig(max_new_tokens=3))
    assert text.startswith("Frage 1:")
    assert "\n\n" not in text


def test_other_families_train_on_instructions_too(tiny: Tiny, chat_model: Path) -> None:
    write(*ROWS)
    changes = tables(chat_model, runtime={"max_iters": 4})
    changes["train"]["model"] = {"family": "qwen3", "n_layer": 1, "n_head": 2, "n_embd": 16}
    assert train(tiny(**changes)).step == 4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_packed_rows_do_not_leak(tmp_path: Path, architecture: str, dtype: torch.dtype) -> None:
    folder = write_architecture(tmp_path / architecture, architecture)
    model = create_model(HuggingFaceConfig(path=folder, block_size=24).args(300)).eval()
    lengths = [9, 1, 14]
    positions = torch.cat([torch.arange(length) for length in lengths]).expand(2, -1)
    ids = torch.randint(300, (2, 24), generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=dtype, enabled=dtype is not torch.float32), torch.no_grad():
        packed = model.hidden(ids, positions=positions)
        alone = torch.cat([model.hidden(ids[:, a:b]) for a, b in pairwise(accumulate(lengths, initial=0))], 1)
    assert torch.allclose(packed.float(), alone.float(), atol=1e-5 if dtype is torch.float32 else 0.1)


@pytest.mark.parametrize(
    ("rows", "instructions", "problem"),
    [
        (ROWS[:1], {}, r"rows\.jsonl: has 1 rows that can be used; two are the least"),
        (ROWS, {"max_tokens": 1}, r"max_tokens"),
        (ROWS, {"chat_template": "none.jinja"}, r"chat_template = none\.jinja: cannot be read"),
        (["{}", "{}"], {"on_bad_row": "skip"}, r"has 0 rows that can be used \(line 1: has no keys"),
        (ROWS, {"max_tokens": 100, "truncation": "refuse"}, r"block_size = 48: the longest example of the .* split"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_refused_in_one_line(
    tiny: Tiny, chat_model: Path, rows: list[object], instructions: dict[str, object], problem: str
) -> None:
    write(*rows, *([chat("lang " * 9, "und " * 9)] * 2 if "truncation" in instructions else []))
    with pytest.raises(mlp.UserError, match=problem) as error:
        train(tiny(**tables(chat_model, instructions=instructions)))
    assert "\n" not in str(error.value)


def test_messages_need_a_template_and_the_tokenizer_of_a_model(tiny: Tiny, chat_model: Path, tmp_path: Path) -> None:
    write(*ROWS)
    shutil.copytree(chat_model, tmp_path / "plain")
    (tmp_path / "plain" / "tokenizer_config.json").write_text('{"eos_token": "</s>"}', encoding="utf-8")
    with pytest.raises(mlp.UserError, match=r"has no chat template, which messages need; name a file with one"):
        mlp.prepare(tiny(**tables(tmp_path / "plain")))
    shutil.copy(TRL / "chat.jinja", tmp_path / "plain" / "chat_template.jinja")
    assert mlp.prepare(tiny(**tables(tmp_path / "plain"))).meta.documents == len(ROWS)
    changes = tables(chat_model)
    changes["prepare"]["tokenizer"] = "bpe"
    with pytest.raises(mlp.UserError, match="instruction data needs the tokenizer of a model"):
        mlp.prepare(tiny(**changes))


def test_faults_of_a_template_are_named(tiny: Tiny, chat_model: Path) -> None:
    write(*ROWS)
    source = (TRL / "chat.jinja").read_text(encoding="utf-8")
    Path("chat.jinja").write_text(source[: source.index("{% if add_generation")], encoding="utf-8")
    changes = tables(chat_model, instructions={"chat_template": "chat.jinja", "on_bad_row": "skip"})
    with pytest.raises(mlp.UserError, match="the chat template has no generation prompt"):
        mlp.prepare(tiny(**changes))
    Path("chat.jinja").write_text(source.replace("<|im_end|>", ""), encoding="utf-8")
    assert (
        mlp.prepare(tiny(**changes)).meta.notes["end added"].startswith("30 answers, which the template does not end")
    )


def test_a_dataset_without_masks_replaces_one_with_them(tiny: Tiny, chat_model: Path) -> None:
    write(*ROWS)
    changes = tables(chat_model)
    changes["prepare"]["dataset_dir"] = "set"
    mlp.prepare(tiny(**changes))
    assert len(list(Path("set").glob("*.bin"))) == 6
    dataset = mlp.prepare(tiny(prepare={"dataset_dir": "set"}))
    assert sorted(path.name for path in Path("set").iterdir()) == ["meta.json", "train.bin", "val.bin"]
    assert Batches(dataset, "train", 1, 8).random(1, 0).positions is None


def test_an_exported_model_renders_chats_as_here_and_ends_its_answers(tiny: Tiny, chat_model: Path) -> None:
    from transformers import AutoTokenizer

    from ml_playground.exporting.export import export

    write(*ROWS)
    config = tiny(**tables(chat_model, runtime={"max_iters": 4}))
    train(config)
    export(config, "hf")
    folder = Path("outputs/tiny/export/hf")
    theirs = cast("Any", AutoTokenizer).from_pretrained(str(folder))
    ours = mlp.load_trained(FOLDER).tokenizer
    assert ours
    assert is_chat(ours)
    messages: list[dict[str, str]] = [{"role": "user", "content": "Punkt?"}]
    turn = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert turn == ours.encode_turn("Punkt?").tolist()
    settings = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    assert {ours.special["<|im_end|>"], ours.end_of_text} <= {*settings["eos_token_id"]}
