"""Whether training fits is told before it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ml_playground.errors import OutOfMemoryError, UserError
from ml_playground.runs.train import train
from ml_playground.training.config import Device, Dtype
from ml_playground.training.device import choose_hardware
from ml_playground.training.memory import Estimate, free_bytes, refuse_too_much
from ml_playground.training.trainer import Trainer
from tests.integration.conftest import Tiny

# What a run takes at its peak, as the kernel counts. Not getrusage's: that starts with the parent's peak.
MEASURED = """
from pathlib import Path
from ml_playground.composition.load import load_experiment
from ml_playground.runs.train import train
import torch  # whose own size is no part of the estimate

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6

config = load_experiment("bundestag_char", Path("changed.toml"))
before = peak()
train(config)
print(peak() - before)
"""


def test_a_run_says_what_it_needs(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny())
    assert "memory: about " in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read where Linux has it")
@pytest.mark.parametrize("family", ["gpt", "qwen3"])
def test_the_estimate_is_near_what_a_large_batch_takes(tiny: Tiny, workspace: Path, family: str) -> None:
    tiny(train={"model": {"family": family, "n_layer": 4}, "data": {"batch_size": 4096}, "runtime": {"max_iters": 2}})
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, cwd=workspace)
    said = next(line for line in done.stderr.splitlines() if line.startswith("memory: about "))
    number, unit = said.removeprefix("memory: about ").split()[:2]
    estimated = float(number) * {"GB": 1000, "MB": 1}[unit]
    assert 0.5 * estimated < float(done.stdout.splitlines()[-1]) < 1.6 * estimated


def test_a_batch_that_cannot_fit_is_refused_before_anything_is_written(tiny: Tiny) -> None:
    config = tiny(train={"data": {"batch_size": 2**24}})
    with pytest.raises(
        UserError,
        match=r"^train\.data\.batch_size = 16777216: training needs about .* GB .*, and .* are free; use batch_size",
    ):
        train(config)
    assert not Path("outputs/tiny/run.json").exists()


def test_a_batch_size_that_fits_is_named_with_the_steps_for_the_same_update(tiny: Tiny) -> None:
    config = tiny(train={"data": {"batch_size": 8, "grad_accum_steps": 3}}).train
    hardware = choose_hardware(Device.cpu, Dtype.auto)
    free = free_bytes(hardware.device)
    assert free is not None
    refuse_too_much(Estimate(state=0, window=int(0.1 * free), windows=8), config, hardware)
    with pytest.raises(UserError, match="use batch_size = 2 and grad_accum_steps = 12, which is the same update"):
        refuse_too_much(Estimate(state=0, window=int(0.3 * free), windows=8), config, hardware)
    with pytest.raises(UserError, match=r"^train\.model: training needs about .* are free; use a smaller model"):
        refuse_too_much(Estimate(state=2 * free, window=1, windows=8), config, hardware)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")]
)
def test_memory_that_runs_out_is_one_line_that_names_the_batch(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_trainer: Trainer) -> torch.Tensor:
        raise error

    config = tiny()
    monkeypatch.setattr(Trainer, "accumulate_gradients", fail)
    with pytest.raises(OutOfMemoryError, match=r"^train\.data\.batch_size = \d+: there is not enough memory"):
        train(config)
