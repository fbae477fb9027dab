"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w

from ml_playground.composition.load import load_experiment
from ml_playground.composition.paths import expand_path, path_text
from ml_playground.composition.schema import Schema
from ml_playground.errors import ConfigError


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/big/$disk")
    monkeypatch.delenv("NOPE", raising=False)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("~/runs", "/home/me/runs"),
        ("~", "/home/me"),
        ("$HOME/runs", "/home/me/runs"),
        ("$SCRATCH/x", "/big/$disk/x"),
        ("a$$HOME", "a$HOME"),
        ("cost$5", "cost$5"),
        ("a~b", "a~b"),
        ("Ordner ä #1 %20 [x]", "Ordner ä #1 %20 [x]"),
    ],
)
def test_home_and_variables_are_expanded(text: str, path: str) -> None:
    assert expand_path(text) == path
    assert expand_path(path_text(path)) == path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\0b", "has the character NUL"),
        ("$NOPE/x", r"refers to \$NOPE, which is not set"),
        ("~nobody_of_this_name/x", "has a home folder that is not known"),
        ("x/" + "ä" * 200, "has a name of 400 bytes"),
    ],
)
@pytest.mark.parametrize("key", sorted(Schema().paths()))
def test_what_cannot_be_a_path_is_refused_in_every_setting(workspace: Path, key: str, text: str, problem: str) -> None:
    *tables, name = key.split(".")
    table: dict[str, object] = {name: text}
    for outer in reversed(tables):
        table = {outer: table}
    (workspace / "x.toml").write_text(tomli_w.dumps({"defaults": ["bundestag_char"], **table}), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"^x\.toml:\d+: {key}: {problem}"):
        load_experiment("bundestag_char", Path("x.toml"))
