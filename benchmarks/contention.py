"""Training beside another busy program: how much of its speed a run keeps, with and without bounded spinning."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import torch

from ml_playground.models.build import create_model
from ml_playground.models.config import GPTConfig
from ml_playground.training.config import Device, Dtype
from ml_playground.training.device import choose_hardware

_SECONDS = 4.0
_UNBOUNDED = {"GOMP_SPINCOUNT": "300000"}
"""What OpenMP does by itself."""
_BUSY = "while True: pass"


def measure(rounds: int) -> None:
    """Print the median updates per second alone, and beside a program that keeps one core busy."""
    speeds: dict[tuple[bool, bool], list[float]] = {(b, n): [] for b in (False, True) for n in (False, True)}
    for _ in range(rounds):
        for (bounded, neighbor), each in speeds.items():
            each.append(_speed(bounded=bounded, neighbor=neighbor))
    print("| spinning | alone, updates/s | beside a busy program | keeps |\n|---|---|---|---|")
    for bounded, name in ((False, "unbounded"), (True, "bounded, as here")):
        alone, beside = (statistics.median(speeds[bounded, neighbor]) for neighbor in (False, True))
        print(f"| {name} | {alone:.1f} | {beside:.1f} | {100 * beside / alone:.0f} % |")


def _speed(*, bounded: bool, neighbor: bool) -> float:
    # OpenMP reads its settings when torch is loaded, so each measurement has a process of its own.
    busy = subprocess.Popen([sys.executable, "-c", _BUSY]) if neighbor else None
    try:
        environment = os.environ if bounded else {**os.environ, **_UNBOUNDED}
        command = [sys.executable, "-m", "benchmarks.contention"]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return float(done.stdout)
    finally:
        if busy:
            busy.kill()
            busy.wait()


def _train() -> float:
    """Return updates per second of model (a): 4 layers, width 128, 12 x 64 tokens."""
    choose_hardware(Device.cpu, Dtype.float32)  # which sets as many threads as there are cores
    model = create_model(GPTConfig(n_layer=4, n_head=4, n_embd=128, block_size=64).args(65))
    ids = torch.randint(65, (12, 65))
    times: list[float] = []
    end = time.perf_counter() + _SECONDS
    while (start := time.perf_counter()) < end:
        model.loss(ids[:, :-1], ids[:, 1:]).backward()
        model.zero_grad()
        times.append(time.perf_counter() - start)
    return len(times) / sum(times)


if __name__ == "__main__":
    print(_train())
