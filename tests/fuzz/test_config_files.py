"""Mutated experiment and sweep files end in a run or in a few lines."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.fuzz.commands import Outcome, command
from tests.fuzz.conftest import EXPERIMENT, SWEEP, contents, fill
from tests.fuzz.mutations import VALUES, mutate_bytes, mutate_values, set_value

SWEEP_KEYS = (
    "description",
    "n_trials",
    "sampler",
    "pruner",
    "seed",
    "objective",
    "baseline",
    "confirm",
    "retry_failed",
    "warm_start",
    "tokens",
    "eval_tokens",
    "eval_block_size",
    "lr_scaling",
    "workers",
    "engine",
    "storage",
    "max_failures",
    "space",
)
CHOICES = ["tpe", "grid", "cmaes", "gp", "nsga2", "median", "hyperband", "sqrt", "linear", "local", "sqlite:///a?b.db"]
LONG = [pytest.param(seed, marks=pytest.mark.nightly) for seed in range(100, 138)]


def replace_by_no_file(path: Path, chance: random.Random) -> None:
    path.unlink()
    match chance.randrange(3):
        case 0:
            path.mkdir()
        case 1:
            path.symlink_to(path.name)
        case _:
            os.mkfifo(path)


def experiment_case(seed: int, folder: Path) -> Outcome:
    chance = random.Random(f"experiment {seed}")
    path = folder / "conf" / "experiment" / "x.toml"
    kind = chance.random()
    if kind < 0.02:
        replace_by_no_file(path, chance)
    elif kind < 0.5:
        path.write_bytes(mutate_bytes(EXPERIMENT.encode(), chance))
    else:
        path.write_text(mutate_values(EXPERIMENT, chance), encoding="utf-8")
    verb = chance.choice(["prepare", "train", "train", "loop", "mlp-run"])
    return command(folder, "mlp-run", "experiment=x") if verb == "mlp-run" else command(folder, verb, "x")


def sweep_case(seed: int, folder: Path) -> Outcome:
    chance = random.Random(f"sweep {seed}")
    path = folder / "sweeps" / "s.toml"
    kind = chance.random()
    if kind < 0.02:
        replace_by_no_file(path, chance)
    elif kind < 0.5:
        path.write_bytes(mutate_bytes(SWEEP.encode(), chance))
    elif kind < 0.75:
        path.write_text(mutate_values(SWEEP, chance, prefix="space."), encoding="utf-8")
    else:
        path.write_text(
            set_value(SWEEP, chance.choice(SWEEP_KEYS), chance.choice([*VALUES, *CHOICES])), encoding="utf-8"
        )
    return command(folder, "sweep", "x", "--sweep", "s")


def check(tmp_path: Path, seeds: range, *, sweep: bool) -> None:
    problems: list[str] = []
    for seed in seeds:
        folder = tmp_path / str(seed) / "inner" / "here"
        fill(folder)
        foreign = {
            path: folder / path for path in ("mine.txt", "outputs/mine.txt", "outputs/x/mine.txt", "sweeps/mine.txt")
        }
        for path in foreign.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("mine", encoding="utf-8")
        before = contents(folder)
        outcome = (sweep_case if sweep else experiment_case)(seed, folder)
        problem = outcome.problem()
        if any(contents(folder).get(Path(path)) != before[Path(path)] for path in foreign):
            problem = "a foreign file was changed"
        if problem:
            source = folder / ("sweeps/s.toml" if sweep else "conf/experiment/x.toml")
            shown = source.read_bytes() if source.is_file() else source
            problems.append(f"{'sweep' if sweep else 'experiment'} {seed}: {problem}\n{outcome.err[-3000:]}\n{shown!r}")
    assert not problems, "\n\n".join(problems)


@pytest.mark.parametrize("part", [0, *LONG])
def test_mutated_experiments(tmp_path: Path, part: int) -> None:
    check(tmp_path, range(part * 30, (part + 1) * 30) if part else range(10), sweep=False)


@pytest.mark.parametrize("part", [0, *LONG[:30]])
def test_mutated_sweeps(tmp_path: Path, part: int) -> None:
    check(tmp_path, range(part * 30, (part + 1) * 30) if part else range(6), sweep=True)
