"""Cost of sweeps: against plain training, with two workers, with pruning, and against hydra-optuna-sweeper.

hydra-optuna-sweeper needs its own environment, because it pins Optuna below 3: with torch and the other dependencies of
the project in the same versions, ``sqlalchemy<2`` and ``alembic<1.13``, and the project installed without dependencies.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from benchmarks.programs import environment

TRIALS = 20
TOKENS = 256 * 12 * 64

EXPERIMENT = """
[prepare]
preparer = "bundestag_char"
input = "{text}"
[train.model]
n_layer = 2
n_head = 4
n_embd = 64
[train.data]
batch_size = 12
block_size = 64
[train.schedule]
warmup_iters = 10
[train.runtime]
device = "cpu"
dtype = "float32"
threads = {threads}
max_iters = 256
sample_tokens = 0
eval_interval = 64
eval_iters = 5
"""
SWEEP = """
n_trials = {trials}
sampler = "{sampler}"
pruner = "{pruner}"
workers = {workers}
seed = {seed}
tokens = {tokens}
eval_tokens = {eval_tokens}
[space]
train.data.batch_size = [8, 12, 16, 24]
train.optim.learning_rate = {{ low = 1e-4, high = 3e-2, log = true }}
"""
_PEER = Path(__file__).with_name("hydra_sweeper.py")


def measure(_rounds: int) -> None:
    """Run each benchmark once and print the results. Hyperband runs with three seeds."""
    text = environment("TINY_SHAKESPEARE", "tiny Shakespeare's input.txt")
    peer = environment("HYDRA_SWEEPER", "the Python of an environment with hydra-optuna-sweeper")
    if text is None:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _overhead(text, _fresh(folder / "overhead"))
        _two_workers(text, folder)
        _pruning(text, folder)
        if peer:
            # Do not resolve links: they lead from a virtual environment's Python to that of the system.
            _peer(text, folder, Path(os.environ["HYDRA_SWEEPER"]).absolute())


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "sweeps").mkdir(parents=True)
    return folder


def _sweep(folder: Path, text: Path, threads: int = 0, **fields: object) -> list[str]:
    """Write a sweep into a folder and return the command that runs it."""
    settings = {
        "trials": TRIALS, "sampler": "random", "pruner": "none", "workers": 1, "seed": 1, "tokens": TOKENS,
        "eval_tokens": TOKENS // 4, **fields,
    }  # fmt: skip
    (folder / "bench.toml").write_text(EXPERIMENT.format(text=text, threads=threads), encoding="utf-8")
    (folder / "sweeps" / "bench.toml").write_text(SWEEP.format(**settings), encoding="utf-8")
    return [
        sys.executable,
        "-m",
        "ml_playground.cli",
        "sweep",
        "bench",
        "--exp-config",
        "bench.toml",
        "--sweep",
        "bench",
    ]


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "outputs/sweeps/bench-bench/leaderboard.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _overhead(text: Path, folder: Path) -> None:
    trials, tokens = TRIALS // 2, 4 * TOKENS  # trials of several seconds; real ones take even longer
    whole = _seconds(_sweep(folder, text, trials=trials, tokens=tokens, eval_tokens=tokens // 4), folder)
    with sqlite3.connect(folder / "outputs/sweeps/bench-bench/study.db") as study:
        found = study.execute("select number, datetime_complete from trials order by number").fetchall()
    ends = {number: datetime.fromisoformat(end) for number, end in found}
    program = (
        "import sys, time; from pathlib import Path\n"
        "from ml_playground.composition.load import load_experiment; from ml_playground.runs.train import train\n"
        "for path in sorted(Path('outputs/sweeps/bench-bench/trials').glob('*/config.toml')):\n"
        "    config = load_experiment('bench', path); config.train.runtime.out_dir = Path('bare') / path.parent.name\n"
        "    started = time.perf_counter(); train(config); print(time.perf_counter() - started)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    bare = [float(line) for line in output.splitlines()]
    costs = [(ends[n] - ends[n - 1]).total_seconds() - bare[n] for n in range(1, len(bare))]
    print(
        f"{trials} trials, one worker: {whole:.1f} s, bare training of the same: {sum(bare):.1f} s, ratio"
        f" {whole / sum(bare):.3f}; a trial after the first costs {statistics.median(costs):.2f} s more than bare"
    )


def _two_workers(text: Path, folder: Path) -> None:
    times = {
        workers: _seconds(_sweep(where := _fresh(folder / f"workers{workers}"), text, 1, workers=workers), where)
        for workers in (1, 2)
    }
    print(f"one thread a trial: one worker {times[1]:.1f} s, two {times[2]:.1f} s, ratio {times[2] / times[1]:.2f}")


def _pruning(text: Path, folder: Path) -> None:
    for seed in (1, 2, 3):
        found: dict[str, tuple[float, int]] = {}
        for pruner in ("none", "hyperband"):
            where = _fresh(folder / f"{pruner}{seed}")
            command = _sweep(
                where,
                text,
                1,
                workers=os.cpu_count(),
                pruner=pruner,
                seed=seed,
                trials=2 * TRIALS,
                eval_tokens=TOKENS // 9,
            )
            _seconds(command, where)
            rows = _rows(where)
            found[pruner] = (
                float(rows[0]["val_loss"]),
                sum(int(row["tokens"]) for row in rows if not row["duplicate_of"]),
            )
        (best, all_tokens), (pruned_best, tokens) = found["none"], found["hyperband"]
        print(
            f"seed {seed}: best val loss {best:.4f} with all tokens; hyperband {pruned_best:.4f}"
            f" ({100 * (pruned_best / best - 1):+.2f} %) with {100 * tokens / all_tokens:.0f} % of them"
        )


def _peer(text: Path, folder: Path, python: Path) -> None:
    ours, theirs = _fresh(folder / "ours"), _fresh(folder / "theirs")
    command = _sweep(ours, text)
    _sweep(theirs, text)
    peer = [
        str(python), str(_PEER), "--multirun", "hydra/sweeper=optuna", "hydra/sweeper/sampler=random",
        f"hydra.sweeper.n_trials={TRIALS}", "hydra.sweeper.n_jobs=1", "hydra.sweeper.storage=sqlite:///study.db",
        "hydra.sweeper.study_name=bench", "hydra.sweeper.sampler.seed=1", f"+tokens={TOKENS}",
        "+batch_size=choice(8,12,16,24)", "+learning_rate=tag(log,interval(1e-4,3e-2))",
    ]  # fmt: skip
    print("| | ml-playground | hydra-optuna-sweeper |\n|---|---|---|")
    print(f"| wall time, {TRIALS} trials | {_seconds(command, ours):.1f} s | {_seconds(peer, theirs):.1f} s |")
    again = _fresh(folder / "ours"), _fresh(folder / "theirs")
    _sweep(again[0], text)
    _sweep(again[1], text)
    halves = (
        _killed_half_way(command, again[0], "outputs/sweeps/bench-bench/trials/*"),
        _killed_half_way(peer, again[1], "peer/*"),
    )
    times = [half + _seconds(whole, where) for half, whole, where in zip(halves, (command, peer), again, strict=True)]
    print(f"| the same, killed at trial {TRIALS // 2} and started again | {times[0]:.1f} s | {times[1]:.1f} s |")
    begun = len(list(again[0].glob("outputs/sweeps/bench-bench/trials/*")))
    trainings = (again[1] / "trainings").read_text(encoding="utf-8").count("\n")
    print(f"| trials begun in all | {begun} | {trainings} |")
    left = _running(again[0] / "outputs/sweeps/bench-bench/study.db"), _running(again[1] / "study.db")
    print(f"| trials left as running | {left[0]} | {left[1]} |")


def _seconds(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=_environment(), check=True, capture_output=True)
    return time.perf_counter() - started


def _killed_half_way(command: list[str], folder: Path, trials: str) -> float:
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=_environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while process.poll() is None and len(list(folder.glob(trials))) <= TRIALS // 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return time.perf_counter() - started


def _running(database: Path) -> int:
    with sqlite3.connect(database) as study:
        return int(study.execute("select count(*) from trials where state = 'RUNNING'").fetchone()[0])


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_PEER.parent.parent), "PYTHONWARNINGS": "ignore"}
