"""How often the verdict of ``mlp compare`` is wrong, and how often it finds a real difference.

An A/A test: 200 pairs of groups of five seeds of the same tiny model. The curves of its 2,000 runs are recorded in
``recorded/seeds.csv``, one run a row: the seed, and the validation loss after 0, 10, ..., 60 updates. To record them
again, for half an hour: ``python -m benchmarks.comparing``.
"""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ml_playground.runs.curves import Curve, Curves
from ml_playground.runs.groups import Group, Member
from ml_playground.runs.listing import RunSummary
from ml_playground.runs.manifest import RunManifest
from ml_playground.runs.statistics import power
from ml_playground.runs.verdict import Verdict, verdicts
from tests.workspace import fill_workspace

RECORDED = Path(__file__).parent / "recorded" / "seeds.csv"
PAIRS, SEEDS = 200, 5
STEPS = range(0, 61, 10)


def recorded() -> list[list[float]]:
    """The recorded curves, in the order of their seeds."""
    with RECORDED.open(encoding="utf-8", newline="") as file:
        return [[float(value) for value in row[1:]] for row in csv.reader(file)]


def pairs(count: int, effect: float) -> Iterator[Verdict]:
    """Verdicts on pairs of groups, the second of which is worse by ``effect`` standard deviations."""
    curves = recorded()
    deviation = statistics.stdev(map(min, curves))
    for pair in range(count):
        start = 2 * SEEDS * pair
        first = _group("first", curves[start : start + SEEDS], 0.0)
        second = _group("second", curves[start + SEEDS : start + 2 * SEEDS], effect * deviation)
        yield from verdicts([first, second], "val_loss", None)


def found(count: int, effect: float) -> int:
    """How many of these verdicts say that the groups differ."""
    return sum(verdict.conclusion in ("better", "worse") for verdict in pairs(count, effect))


def measure(_rounds: int) -> None:
    """Print the rates."""
    for effect in (0.0, 1.0, 2.0, 3.0):
        rate, expected = found(PAIRS, effect) / PAIRS, power(effect, 1.0, SEEDS)
        setting = f"{PAIRS} pairs, {SEEDS} seeds, effect of {effect:.0f} deviations"
        print(f"{setting}: {rate:.3f} told apart, {expected:.3f} expected")


def _group(name: str, curves: list[list[float]], shift: float) -> Group:
    members: list[Member] = []
    for seed, curve in enumerate(curves):
        values = [value + shift for value in curve]
        manifest = RunManifest(
            "tiny", "finished", STEPS[-1], "data", "cpu", seed=seed, best_val_loss=min(values), git=None
        )
        run = RunSummary(Path(name) / f"seed-{seed}", manifest, "finished", 0)
        members.append(Member(run, {}, Curves(Curve(values, {"step": STEPS}), Curve([], {}), [])))
    return Group(name, members)


def record() -> None:
    """Train the runs and write their curves."""
    from ml_playground.composition.load import load_experiment
    from ml_playground.runs.metrics import read_metrics
    from ml_playground.runs.train import train

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        fill_workspace(Path())
        config = load_experiment("bundestag_char", Path("tiny.toml"))
        runtime, config.train.schedule.lr_decay_iters = config.train.runtime, STEPS[-1]
        runtime.max_iters, runtime.eval_interval, runtime.eval_iters = STEPS[-1], STEPS.step, 0
        runtime.threads, runtime.sample_tokens = 1, 0
        with RECORDED.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            for runtime.seed in range(2 * PAIRS * SEEDS):
                with contextlib.redirect_stderr(io.StringIO()):
                    train(config)
                logged = read_metrics(runtime.out_dir / "metrics.jsonl")
                rows.writerow([runtime.seed, *(f"{entry['val/loss']:.5f}" for entry in logged if "val/loss" in entry)])
                file.flush()
                shutil.rmtree(runtime.out_dir)


if __name__ == "__main__":
    record()
