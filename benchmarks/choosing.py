"""Which sampler and pruner find good values in the fewest tokens, on sweeps whose trials are recorded.

Three grids of real trainings on tiny Shakespeare are in ``recorded/sweeps.json``: the values of each point and its
validation losses at 12 equally spaced numbers of tokens. A simulated sweep draws points with the code of real sweeps,
looks their curves up, interpolates between the recorded learning rates, and prunes as real sweeps do. To record the
grids again, for a quarter of an hour: ``python -m benchmarks.choosing``.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import optuna
import tomli_w
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from benchmarks.programs import environment
from ml_playground.sweeping.config import PrunerKind, SamplerKind
from ml_playground.sweeping.proposal import propose
from ml_playground.sweeping.samplers import build_pruner
from ml_playground.sweeping.study import open_trial
from ml_playground.sweeping.sweep import Sweep, load_sweep

RECORDED = Path(__file__).parent / "recorded" / "sweeps.json"
RATE = "train.optim.learning_rate"
TOKENS, EVAL_TOKENS = 49_152, 4_096
SEEDS = 20
BUDGET, LONGEST = 10 * TOKENS, 16 * TOKENS
WITHIN = 1.03
EXPERIMENT: dict[str, object] = {
    "prepare": {"preparer": "bundestag_char"},
    "train": {
        "model": {"n_layer": 2, "n_head": 2, "n_embd": 32, "dropout": 0.0},
        "data": {"batch_size": 8, "block_size": 32, "grad_accum_steps": 1},
        "optim": {"optimizer": "adamw", "learning_rate": 3e-3},
        "schedule": {"decay": "cosine", "warmup_iters": 20, "min_lr": 3e-4},
        "runtime": {
            "device": "cpu", "dtype": "float32", "threads": 1, "max_iters": 192, "sample_tokens": 0,
            "eval_interval": 16, "eval_iters": 4, "eval_batch_size": 64,
        },
    },
}  # fmt: skip
"""What the recorded trials have in common."""


def _rates(count: int) -> list[float]:
    return [float(f"{3e-4 * 100 ** (index / (count - 1)):.4g}") for index in range(count)]


PROBLEMS: dict[str, dict[str, list[object]]] = {
    "learning rate": {RATE: [*_rates(12)], "train.schedule.warmup_iters": [0, 10, 40, 90]},
    "batching": {RATE: [*_rates(5)], "train.data.batch_size": [4, 8, 16, 32], "train.data.block_size": [16, 32, 64]},
    "network": {
        RATE: [*_rates(5)], "train.model.n_layer": [1, 2, 4], "train.model.n_embd": [32, 64],
        "train.model.dropout": [0.0, 0.1, 0.2],
    },
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """The trials of a grid."""

    keys: list[str]
    curves: dict[tuple[object, ...], list[float]]
    """Validation losses by values, in the order of the keys."""

    @property
    def best(self) -> float:
        """Lowest validation loss of all trials."""
        return min(map(min, self.curves.values()))

    def curve(self, params: Mapping[str, object]) -> list[float]:
        """Return the curve of a point, interpolated between the learning rates beside it."""
        rates = sorted({cast("float", point[0]) for point in self.curves})
        rate, others = cast("float", params[RATE]), tuple(params[key] for key in self.keys[1:])
        above = next((place for place, each in enumerate(rates) if each >= rate), len(rates) - 1)
        low, high = rates[max(0, above - 1)], rates[above]
        share = 1.0 if low == high else math.log(rate / low) / math.log(high / low)
        pairs = zip(self.curves[(low, *others)], self.curves[(high, *others)], strict=True)
        return [(1 - share) * one + share * other for one, other in pairs]


def recorded(name: str) -> Recorded:
    """Read the recorded trials of a problem."""
    keys = list(PROBLEMS[name])
    rows = cast("dict[str, list[list[object]]]", json.loads(RECORDED.read_text(encoding="utf-8")))[name]
    count = len(keys)
    return Recorded(keys, {tuple(row[:count]): cast("list[float]", row[count:]) for row in rows})


@dataclass(frozen=True)
class Strategy:
    """How points are drawn, and trials pruned."""

    name: str
    sampler: SamplerKind = SamplerKind.tpe
    pruner: PrunerKind | None = None
    build: Callable[[int], BaseSampler] | None = None
    """Another program's sampler, by its seed, which may draw a point twice; None for the code of real sweeps."""
    pruner_of_peer: BasePruner | None = None


def _tpe(*, multivariate: bool) -> Callable[[int], BaseSampler]:
    return lambda seed: TPESampler(seed=seed, multivariate=multivariate, constant_liar=multivariate)


STRATEGIES = [
    Strategy("random, hyperband", SamplerKind.random),
    Strategy("ml-playground's default: tpe, hyperband"),
    Strategy("tpe, hyperband that keeps a quarter", pruner_of_peer=HyperbandPruner(EVAL_TOKENS, TOKENS // 4, 4)),
    Strategy("tpe, successive halving", pruner=PrunerKind.successive_halving),
    Strategy("tpe, median", pruner=PrunerKind.median),
    Strategy("tpe, no pruning", pruner=PrunerKind.none),
    Strategy("independent tpe, hyperband", build=_tpe(multivariate=False)),
    Strategy("multivariate tpe with constant liar, hyperband", build=_tpe(multivariate=True)),
    Strategy("Optuna's default: tpe, median", build=lambda seed: TPESampler(seed=seed), pruner_of_peer=MedianPruner()),
    Strategy("hydra-optuna-sweeper's default", build=_tpe(multivariate=False), pruner_of_peer=NopPruner()),
]


@dataclass(frozen=True)
class Simulated:
    """What a simulated sweep has found."""

    tokens: list[int]
    """Training tokens of all trials when each trial ended with a score."""
    best: list[float]
    """The lowest score so far."""

    def best_at(self, tokens: int) -> float:
        """Return the best score of the trials that have ended by then."""
        place = bisect.bisect_right(self.tokens, tokens)
        return self.best[place - 1] if place else math.inf

    def reached(self, target: float) -> float:
        """Return the tokens after which a score was at most ``target``; infinite if none was."""
        return next((tokens for tokens, best in zip(self.tokens, self.best, strict=True) if best <= target), math.inf)


def simulate(sweep: Sweep, strategy: Strategy, problem: Recorded, seed: int, *, workers: int, tokens: int) -> Simulated:
    """Simulate a sweep with workers that take turns, one evaluation at a time, until it has used so many tokens."""
    pruner = strategy.pruner_of_peer or build_pruner(sweep.pruner, sweep.budget)
    sampler = strategy.build(seed) if strategy.build else RandomSampler(seed)
    # The brackets of hyperband follow from the name.
    study = optuna.create_study(study_name=f"simulated-{seed}", sampler=sampler, pruner=pruner)
    running: deque[tuple[optuna.Trial, list[float], int]] = deque()
    spent, found = 0, Simulated([], [])
    while spent < tokens:
        while len(running) < workers:
            trial = _next_trial(sweep, study, strategy)
            if trial is None:
                return found
            running.append((trial, problem.curve(trial.params), 0))
        trial, curve, place = running.popleft()
        spent += EVAL_TOKENS
        trial.report(curve[place], (place + 1) * EVAL_TOKENS)
        if place + 1 == len(curve):
            study.tell(trial, min(curve))
            found.tokens.append(spent)
            found.best.append(min([*curve, *found.best]))
        elif trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
        else:
            running.append((trial, curve, place + 1))
    return found


def _next_trial(sweep: Sweep, study: optuna.Study, strategy: Strategy) -> optuna.Trial | None:
    if strategy.build:
        trial = study.ask()
        sweep.space.suggest(trial)
        return trial
    drawn = propose(sweep, study)
    if drawn is None:
        return None
    study.add_trial(drawn)
    return open_trial(study, len(study.get_trials(deepcopy=False)) - 1)


def measure(_rounds: int) -> None:
    """Print how far each strategy is from the best point after a number of tokens, and when it comes within 3 %."""
    cases = list(itertools.product((1, 4), range(len(STRATEGIES)), PROBLEMS))
    with ProcessPoolExecutor() as pool:
        found = dict(zip(cases, pool.map(_case, *zip(*cases, strict=True)), strict=True))
    for workers in (1, 4):
        print(
            f"{workers} workers: % above the best after {BUDGET // TOKENS} trials' tokens, and trials' worth of tokens"
        )
        print("until within 3 %, for", " | ".join(PROBLEMS))
        for number, strategy in enumerate(STRATEGIES):
            results = [found[workers, number, name] for name in PROBLEMS]
            cells = [f"{_mean(regrets)} | {statistics.median(reached):.1f}" for regrets, reached in results]
            together = [statistics.fmean(each) for each in zip(*(regrets for regrets, _ in results), strict=True)]
            print(f"| {strategy.name} | {' | '.join(cells)} | {_mean(together)} |")


def _mean(values: Sequence[float]) -> str:
    """Format a mean with its standard error."""
    return f"{statistics.fmean(values):.2f} ± {statistics.stdev(values) / math.sqrt(len(values)):.2f}"


def _case(workers: int, number: int, name: str) -> tuple[list[float], list[float]]:
    """Return the distance from the best point in %, and trials' worth of tokens until it is small, by seed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    strategy, problem = STRATEGIES[number], recorded(name)
    space = {**PROBLEMS[name], RATE: {"low": 3e-4, "high": 3e-2, "log": True}}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        fields = {"sampler": strategy.sampler.name, **({"pruner": strategy.pruner.name} if strategy.pruner else {})}
        runs: list[Simulated] = []
        write_sweep(Path(folder), space, Path("input.txt"), n_trials=1000, **fields)
        sweep = load_sweep("bench", "bench", Path("bench.toml"))
        for seed in range(SEEDS):
            seeded = replace(sweep, config=replace(sweep.config, seed=1000 + seed))
            runs.append(simulate(seeded, strategy, problem, 1000 + seed, workers=workers, tokens=LONGEST))
    regrets = [100 * (run.best_at(BUDGET) / problem.best - 1) for run in runs]
    return regrets, [run.reached(WITHIN * problem.best) / TOKENS for run in runs]


def record(name: str) -> None:
    """Train all points of a problem in a sweep over a grid, and record their curves."""
    source = environment("TINY_SHAKESPEARE", "tiny Shakespeare's input.txt")
    if source is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        write_sweep(Path(folder), PROBLEMS[name], source, sampler="grid", pruner="none", workers=os.cpu_count())
        command = ["-m", "ml_playground.cli", "sweep", "bench", "--exp-config", "bench.toml", "--sweep", "bench"]
        subprocess.run([sys.executable, *command], cwd=folder, check=True)
        study = optuna.load_study(
            study_name="bench-bench", storage=f"sqlite:///{folder}/outputs/sweeps/bench-bench/study.db"
        )
        points = [
            [*(trial.params[key] for key in PROBLEMS[name]), *(round(v, 4) for v in trial.intermediate_values.values())]
            for trial in study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
        ]
    known = cast("dict[str, list[list[object]]]", json.loads(RECORDED.read_text()) if RECORDED.exists() else {})
    tables = {key: ",\n".join(json.dumps(row) for row in rows) for key, rows in {**known, name: points}.items()}
    text = ",\n".join(f"{json.dumps(key)}: [\n{rows}\n]" for key, rows in tables.items())
    RECORDED.write_text(f"{{{text}}}\n", encoding="utf-8")


def write_sweep(folder: Path, space: Mapping[str, object], text: Path, **fields: object) -> None:
    """Write the experiment and a sweep over it, where commands in that folder find them."""
    (folder / "sweeps").mkdir(exist_ok=True)
    experiment = {**EXPERIMENT, "prepare": {"preparer": "bundestag_char", "input": str(text)}}
    (folder / "bench.toml").write_text(tomli_w.dumps(experiment), encoding="utf-8")
    nested: dict[str, object] = {}
    for key, value in space.items():
        *path, last = key.split(".")
        table = nested
        for part in path:
            table = cast("dict[str, object]", table.setdefault(part, dict[str, object]()))
        table[last] = value
    sweep = {"tokens": TOKENS, "eval_tokens": EVAL_TOKENS, "baseline": False, **fields, "space": nested}
    (folder / "sweeps" / "bench.toml").write_text(tomli_w.dumps(sweep), encoding="utf-8")


if __name__ == "__main__":
    for problem in PROBLEMS:
        record(problem)
