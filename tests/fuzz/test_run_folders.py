"""Run and sweep folders in which files are damaged end in a run or in a few lines, and lose nothing."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.fuzz.commands import command
from tests.fuzz.conftest import contents
from tests.fuzz.mutations import damage

RUN_VERBS = [
    ("train", "x"),
    ("train", "x"),
    ("sample", "x"),
    ("loop", "x"),
    ("runs",),
    ("mlp-run", "experiment=x"),
    ("prepare", "x"),
]
SWEEP_VERBS = [("sweep", "x", "--sweep", "s"), ("runs",)]
LONG = [pytest.param(part, marks=pytest.mark.nightly) for part in range(100, 120)]


def check(template: Path, tmp_path: Path, seeds: range, verbs: list[tuple[str, ...]]) -> None:
    problems: list[str] = []
    for seed in seeds:
        chance = random.Random(f"folder {seed}")
        folder = tmp_path / str(seed) / "here"
        shutil.copytree(template, folder)
        for path in sorted(one for one in (folder / "outputs").rglob("*") if one.is_dir()):
            (path / "mine.txt").write_text("mine", encoding="utf-8")
        files = [path for path in sorted((folder / "outputs").rglob("*")) if path.is_file() and path.name != "mine.txt"]
        targets = chance.sample(files, chance.choice([1, 1, 1, 2]))
        done = [damage(path, chance) for path in targets]
        before = contents(folder)
        verb = chance.choice(verbs)
        outcome = command(folder, *verb)
        problem = outcome.problem() or lost(before, contents(folder), outcome.code, verb[0])
        if problem:
            what = "; ".join(done).replace(f"{folder}/", "")
            problems.append(f"folder {seed}: {' '.join(verb)}: {problem}\n{what}\n{outcome.err[-3000:]}")
    assert not problems, "\n\n".join(problems)


def lost(before: dict[Path, str], after: dict[Path, str], code: int | None, verb: str) -> str | None:
    """What a command has changed that it must not."""
    for path, digest in before.items():
        if path.name == "mine.txt" and after.get(path) != digest:
            return f"a foreign file was changed: {path}"
        if path.match("ckpt*.pt*") and digest not in ("special",) and not digest.startswith("->"):
            kept = digest in after.values()
            if not kept and (code != 0 or verb in ("sample", "runs", "prepare")):
                return f"a checkpoint was changed: {path}"
    return None


@pytest.mark.parametrize("part", [0, *LONG])
def test_damaged_run_folders(trained: Path, tmp_path: Path, part: int) -> None:
    check(trained, tmp_path, range(part * 20, (part + 1) * 20) if part else range(10), RUN_VERBS)


@pytest.mark.parametrize("part", [0, *LONG[:10]])
def test_damaged_sweep_folders(swept: Path, tmp_path: Path, part: int) -> None:
    check(swept, tmp_path, range(part * 10, (part + 1) * 10) if part else range(2), SWEEP_VERBS)
