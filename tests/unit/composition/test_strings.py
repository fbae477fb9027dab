"""Strings that the libraries behind would give a meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ml_playground.composition.load import compose_experiment, load_experiment
from ml_playground.composition.snapshot import snapshot
from ml_playground.composition.strings import decode, encode, escape, is_reference, literal

TEXT = st.text(st.characters(codec="utf-8"), max_size=30) | st.text("\\${}?.~ab:", max_size=12)


@given(TEXT)
@example("???")
@example("\\${price}")
@example("\\\\${x}\\")
def test_a_file_can_say_every_text(text: str) -> None:
    assert not is_reference(escape(text))
    assert literal(escape(text)) == text
    assert decode(f"a{encode(text)}b{encode(text)}") == f"a{text}b{text}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strings")


@examples(max_examples=20)  # each composes three times
@given(start=TEXT, description=TEXT, stop=st.lists(TEXT.filter(bool), max_size=8))
@example(start="???", description="${", stop=["\\${a}", "\ue000ab\ue001"])
def test_every_string_means_in_the_snapshot_what_it_meant_in_the_file(
    folder: Path, start: str, description: str, stop: list[str]
) -> None:
    table = {
        "defaults": ["bundestag_char"],
        "description": escape(description),
        "sample": {"sample": {"start": escape(start), "stop": [escape(text) for text in stop]}},
    }
    (folder / "x.toml").write_bytes(tomli_w.dumps(table).encode())
    config = load_experiment("bundestag_char", folder / "x.toml")
    assert (config.description, config.sample.sample.start, config.sample.sample.stop) == (description, start, stop)
    (folder / "again.toml").write_bytes(snapshot(config).encode())
    assert load_experiment("bundestag_char", folder / "again.toml") == config
    trial = compose_experiment("bundestag_char", folder / "x.toml").replace({"sample.sample.start": escape(start)})
    assert trial.resolve().sample.sample.start == start


@examples(max_examples=12)
@given(name=TEXT.filter(lambda name: bool(name.strip()) and "/" not in name and "\0" not in name))
@example(name="$HOME")
@example(name="~")
@example(name="größe")
@example(name="lr=0.1,a(2)[b]")
@example(name="???")
@example(name="${x}")
def test_an_experiment_may_have_any_name(folder: Path, name: str) -> None:
    config = load_experiment(name, Path("conf/experiment/bundestag_char.toml").resolve())
    assert config.experiment == name
    assert config.train.runtime.out_dir == Path("outputs") / name
    (folder / "again.toml").write_bytes(snapshot(config).encode())
    assert load_experiment(name, folder / "again.toml") == config
