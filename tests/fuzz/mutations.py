"""Seeded damage to files."""

from __future__ import annotations

import os
import random
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import tomli_w

from ml_playground.composition.schema import experiment_keys

TOKENS = [
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    "\u2028".encode(),
    b"\r\n",
    b'"',
    b"'",
    b"[",
    b"]]",
    b"{",
    b"=",
    b"#",
    b"\\",
    b"${",
    b"???",
    b"nan",
    b"inf",
    b"-0",
    b"1e999",
    b"0x",
    b"true",
    b"1979-05-27",
    b'"""',
    b".",
    b",",
    b"[[a]]\n",
    b'defaults = ["x"]\n',
    b"\n\n",
]
# No absolute paths: what a mutated `out_dir` names is written to.
VALUES: list[object] = [
    0,
    -1,
    1,
    2,
    3,
    10**3,
    10**6,
    2**31,
    2**63 - 1,
    10**30,
    10**400,
    0.0,
    -0.5,
    0.5,
    1.0,
    1e-320,
    1e308,
    float("inf"),
    float("nan"),
    True,
    False,
    "",
    " ",
    ".",
    "..",
    "a\nb",
    "a\0b",
    "x" * 300,
    "größe",
    "[red]",
    "${train.data.batch_size}",
    "${",
    "???",
    "~",
    "$HOME_",
    "auto",
    "cpu",
    "cuda",
    "mps",
    "gpt",
    "qwen3",
    "random",
    "char",
    "bpe",
    "text.txt",
    "missing.txt",
    "conf",
    "http://127.0.0.1:1/x",
    [],
    [1],
    ["a"],
    [[1]],
    [""],
    {},
    {"a": 1},
    {"low": 1, "high": 4},
    {"low": 1e-4, "high": 1e-2, "log": True},
    {"low": 1, "high": 9, "step": 0},
    [1, 2],
    [0.1, 0.2],
    ["cpu"],
]


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """The content with a few small changes."""
    for _ in range(chance.randint(1, 3)):
        data = _changed(data, chance)
    return data


def _changed(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    lines = data.split(b"\n")
    line = chance.randrange(len(lines))
    changes: list[Callable[[], bytes]] = [
        lambda: data[:place],
        lambda: data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :],
        lambda: data[:place] + chance.choice(TOKENS) + data[place:],
        lambda: data[:place] + data[place + chance.randint(1, 20) :],
        lambda: b"\n".join([*lines[:line], *lines[line + 1 :]]),
        lambda: b"\n".join([*lines[:line], lines[line], *lines[line:]]),
        lambda: b"\n".join(chance.sample(lines, len(lines))),
    ]
    return chance.choices(changes, [1, 4, 4, 2, 2, 2, 1])[0]()


def mutate_values(text: str, chance: random.Random, *, prefix: str = "") -> str:
    """A TOML file with other values for one to three keys, most of which exist."""
    table = tomllib.loads(text)
    keys = experiment_keys()
    for _ in range(chance.randint(1, 3)):
        key = chance.choice(keys) if chance.random() < 0.95 else chance.choice(["x", "größe", "a b", "train.a.b"])
        _set(table, f"{prefix}{key}".split("."), chance.choice(VALUES))
    return tomli_w.dumps(table)


def set_value(text: str, key: str, value: object) -> str:
    """A TOML file with one value more."""
    table = tomllib.loads(text)
    _set(table, [key], value)
    return tomli_w.dumps(table)


def _set(table: dict[str, object], path: list[str], value: object) -> None:
    for name in path[:-1]:
        inner = table.get(name)
        if not isinstance(inner, dict):
            inner = table[name] = {}
        table = cast("dict[str, object]", inner)
    table[path[-1]] = value


def _cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size + 1))


def _flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(min(len(data), chance.choice([1, 1, 2, 20]))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _empty(path: Path, _chance: random.Random) -> None:
    path.write_bytes(b"")


def _random_bytes(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(chance.choice([1, 100, 5000])))


def _text(path: Path, chance: random.Random) -> None:
    path.write_text(
        chance.choice(["null", "[]", "{}", "0", '"x"', "<html></html>", '{"a": 1}\n' * 9]), encoding="utf-8"
    )


def _remove(path: Path, _chance: random.Random) -> None:
    path.unlink()


def _folder(path: Path, _chance: random.Random) -> None:
    path.unlink()
    path.mkdir()
    (path / "mine.txt").write_text("mine", encoding="utf-8")


def _pipe(path: Path, _chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(
        chance.choice(["nowhere", path.name, ".", "/dev/null", *(one.name for one in path.parent.iterdir())])
    )


def _other(path: Path, chance: random.Random) -> None:
    """The content of a neighbour."""
    others = [one for one in sorted(path.parent.iterdir()) if one.is_file() and one != path]
    if others:
        shutil.copyfile(chance.choice(others), path)


DAMAGE = [_cut, _flip, _flip, _empty, _random_bytes, _text, _remove, _folder, _pipe, _link, _other]


def damage(path: Path, chance: random.Random) -> str:
    """Damage a file; returns what was done."""
    act = chance.choice(DAMAGE)
    act(path, chance)
    return f"{act.__name__.strip('_')} {path}"
