"""Peak matrix multiplication throughput of this machine, and the fraction of it that training reaches."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.training import WORKS, Work
from ml_playground.models.base import LanguageModel
from ml_playground.models.build import create_model
from ml_playground.models.config import GPTConfig
from ml_playground.training.config import Device, Dtype
from ml_playground.training.device import Hardware, choose_hardware

_SIZE = 2048
_VOCABULARY = {"char": 65, "tiktoken": 50_257}


def measure(rounds: int) -> None:
    """Print the peak in the dtype chosen by ``auto``, and the share that each workload's step reaches."""
    hardware = choose_hardware(Device.cpu, Dtype.auto)
    matrix = torch.randn(_SIZE, _SIZE, dtype=hardware.dtype)
    peak = 2 * _SIZE**3 / _median(lambda: matrix @ matrix, 4 * rounds)
    print(f"peak of a {_SIZE} x {_SIZE} matrix product, {hardware}: {peak / 1e9:,.0f} GFLOP/s")
    print(f"\n| work | GFLOP a step | ms, forward and backward | share of the peak |\n|{'---|' * 4}")
    for work in WORKS:
        flops, seconds = _measure(work, hardware, 4 * rounds)
        print(f"| {work.name} | {flops / 1e9:.1f} | {1000 * seconds:.1f} | {100 * flops / seconds / peak:.0f} % |")


def _measure(work: Work, hardware: Hardware, repeats: int) -> tuple[float, float]:
    """Return the floating point operations and seconds of a step."""
    config = GPTConfig(n_layer=work.n_layer, n_head=work.n_head, n_embd=work.n_embd, block_size=work.block_size)
    model = create_model(config.args(_VOCABULARY[work.tokenizer]))
    ids = torch.randint(65, (work.batch_size, work.block_size))
    # Per weight and token, 2 FLOPs forward and 4 backward, plus the products of attention (PaLM, appendix B).
    weights = sum(p.numel() for name, p in model.named_parameters() if "wpe" not in name)
    attention = 2 * work.n_layer * work.n_embd * work.block_size
    return 6.0 * ids.numel() * (weights + attention), _median(lambda: _step(model, ids, hardware), repeats)


def _step(model: LanguageModel, ids: torch.Tensor, hardware: Hardware) -> None:
    with hardware.autocast():
        loss = model.loss(ids, ids)
    loss.backward()


def _median(function: Callable[[], object], repeats: int) -> float:
    function()
    times: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
