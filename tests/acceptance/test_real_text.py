"""The main job on a real plenary record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml_playground.commands.loop import loop
from ml_playground.composition.load import load_experiment
from ml_playground.experiments.prepare import prepare

SHORT = """
defaults = ["bundestag_char"]
[prepare]
input = "{input}"
[train.schedule]
warmup_iters = 50
[train.runtime]
max_iters = {max_iters}
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("17001.txt", "Plenarprotokoll 17/1\nDeutscher Bundestag"),
        ("18001.txt", "Alterspräsident Dr. Heinz Riesenhuber"),
        ("18003.txt", "für die Bürgerinnen und Bürger"),
        ("18100.txt", "Glückwünsche zum Geburtstag"),
    ],
)
def test_records_read_right_whatever_their_encoding(workspace: Path, shared: Path, name: str, words: str) -> None:
    path = shared / "bundestag" / "txt" / name
    (workspace / "my.toml").write_text(SHORT.format(input=path, max_iters=50), encoding="utf-8")
    dataset = prepare(load_experiment("bundestag_char", Path("my.toml")))
    text = dataset.tokenizer.decode([*dataset.tokens("train").tolist(), *dataset.tokens("val").tolist()])
    raw = path.read_bytes()
    encoding = "utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "cp1252"
    # The records mix CRLF with lone carriage returns.
    assert text == raw.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    assert words in text


def test_an_eighth_of_the_main_job_learns_german_from_a_real_record(
    workspace: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shared / "bundestag" / "txt" / "18100.txt"
    (workspace / "my.toml").write_text(SHORT.format(input=path, max_iters=300), encoding="utf-8")
    loop(load_experiment("bundestag_char", Path("my.toml")))
    manifest = json.loads(Path("outputs/bundestag_char/run.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished"
    assert manifest["val_loss"] <= 2.1
    words = set(capsys.readouterr().out.split())
    assert words & {"der", "die", "das", "und", "in", "den", "zu", "von", "ist", "wir", "ein", "es"}
