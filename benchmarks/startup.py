"""Startup time of commands."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.unit.runs.folders import write_run
from tests.workspace import fill_workspace

# Exits at the first training step, which stops the clock.
FIRST_STEP = """
import os, sys
from ml_playground import cli
from ml_playground.training.trainer import Trainer
Trainer.accumulate_gradients = lambda self: os._exit(0)
sys.argv = ["mlp", "train", "bundestag_char", "--exp-config", "tiny.toml"]
cli.main()
"""
COMMANDS = {
    "python -c 'import torch'": ["-c", "import torch"],
    "mlp train, to the first training step": ["-c", FIRST_STEP],
    "mlp-run --help": ["-m", "ml_playground.run", "--help"],
    "mlp runs, of 1,000 runs": ["-m", "ml_playground.cli", "runs"],
}


def measure(rounds: int) -> None:
    """Run the commands, interleaved, and print median times."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill_workspace(folder)
        prepare = ["-m", "ml_playground.cli", "prepare", "bundestag_char", "--exp-config", "tiny.toml"]
        subprocess.run([sys.executable, *prepare], check=True, capture_output=True, cwd=folder)
        for number in range(1000):
            write_run(folder / "outputs" / f"{number:04d}", experiment=f"experiment {number % 10}")
        for _ in range(3 * rounds):
            for command, arguments in COMMANDS.items():
                started = time.perf_counter()
                subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=folder)
                times[command].append(time.perf_counter() - started)
    base = statistics.median(times["python -c 'import torch'"])
    print(f"\n| command | seconds, median | against importing torch |\n|{'---|' * 3}")
    for command, each in times.items():
        print(f"| {command} | {statistics.median(each):.2f} | {statistics.median(each) / base:.2f}x |")
