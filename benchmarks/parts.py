"""Microbenchmarks of the parts of a training step, each against a standard implementation."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.programs import prepared
from benchmarks.training import WORKS
from ml_playground.dataset.batches import Batches
from ml_playground.models.base import LanguageModel
from ml_playground.models.build import create_model
from ml_playground.models.config import Qwen3Config
from ml_playground.models.kernels.attention import causal_attention
from ml_playground.models.kernels.cross_entropy import cross_entropy
from ml_playground.text.config import PrepareConfig
from ml_playground.training.config import Device, Dtype, OptimConfig, OptimizerKind
from ml_playground.training.device import Hardware, choose_hardware
from ml_playground.training.optimizers.build import build_optimizer
from ml_playground.training.optimizers.muon import inner_matrices

_ROWS, _WIDTH, _VOCABULARY = 512, 64, 50_257


def measure(rounds: int) -> None:
    """Print the median times of both implementations of each part."""
    hardware = choose_hardware(Device.cpu, Dtype.auto)
    print(f"\n| part | plain way | ms | here, ms | ratio |\n|{'---|' * 5}")
    with tempfile.TemporaryDirectory() as folder:
        _report("batch of 12 x 64", "a slice a row", *_batches(Path(folder)), repeats=100 * rounds)
    for work in WORKS[:2]:
        shape = (work.batch_size, work.n_head, work.block_size, work.n_embd // work.n_head)
        name = f"attention {' x '.join(map(str, shape))}, with backward"
        _report(name, "torch's, float32", *_attention(shape, hardware), repeats=10 * rounds)
    name = f"loss of {_ROWS} rows over {_VOCABULARY:,} tokens, with backward"
    _report(name, "all logits at once", *_losses(hardware), repeats=5 * rounds)
    model = create_model(Qwen3Config(n_layer=4, n_head=4, n_embd=128, block_size=64).args(65))
    for kind in OptimizerKind:
        _report(
            f"{kind.name}, 0.8 M parameters", "torch.optim", *_optimizers(model, kind, hardware), repeats=10 * rounds
        )


def _batches(folder: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    (folder / "text").write_text("Meine Damen und Herren! " * 40_000, encoding="utf-8")
    dataset = prepared(folder / "text", folder / "data", PrepareConfig())
    batches = Batches(dataset, "train", 12, 64)

    def plain() -> tuple[Tensor, Tensor]:
        # As in nanoGPT, which reopens the file for every batch to avoid a memory leak of memory maps.
        data = np.memmap(folder / "data" / "train.bin", dtype=np.uint16, mode="r")
        starts = [int(start) for start in torch.randint(len(data) - 64, (12,))]
        inputs = torch.stack([torch.from_numpy(data[i : i + 64].astype(np.int64)) for i in starts])
        targets = torch.stack([torch.from_numpy(data[i + 1 : i + 65].astype(np.int64)) for i in starts])
        return inputs, targets

    return plain, lambda: batches.random(1, 1)


def _attention(shape: tuple[int, ...], hardware: Hardware) -> tuple[Callable[[], object], Callable[[], object]]:
    query, key, value = (torch.randn(shape).to(hardware.dtype).requires_grad_() for _ in range(3))
    gradient = torch.randn(shape)

    def plain() -> None:
        out = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), is_causal=True)
        torch.autograd.grad(out, [query, key, value], gradient)

    def ours() -> None:
        out = causal_attention(query, key, value)
        torch.autograd.grad(out, [query, key, value], gradient.to(out.dtype))

    return plain, ours


def _losses(hardware: Hardware) -> tuple[Callable[[], object], Callable[[], object]]:
    hidden = torch.randn(_ROWS, _WIDTH, requires_grad=True)
    weight = nn.Parameter(0.02 * torch.randn(_VOCABULARY, _WIDTH))
    targets = torch.randint(_VOCABULARY, (_ROWS,))

    def plain() -> None:
        with hardware.autocast():
            loss = F.cross_entropy(F.linear(hidden, weight).float(), targets)
        torch.autograd.grad(loss, [hidden, weight])

    def ours() -> None:
        with hardware.autocast():
            loss = cross_entropy(hidden, weight, targets)
        torch.autograd.grad(loss, [hidden, weight])

    return plain, ours


def _optimizers(
    model: LanguageModel, kind: OptimizerKind, hardware: Hardware
) -> tuple[Callable[[], object], Callable[[], object]]:
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    matrices = [*inner_matrices(model).values()] if kind is OptimizerKind.muon else []
    chosen = set(matrices)
    rest = [parameter for parameter in model.parameters() if parameter not in chosen]
    theirs: list[torch.optim.Optimizer] = [torch.optim.AdamW(rest, fused=True)]
    if matrices:
        theirs.append(torch.optim.Muon(matrices))
    ours = build_optimizer(model, OptimConfig(optimizer=kind, learning_rate=1e-9), hardware.dtype)
    return lambda: [optimizer.step() for optimizer in theirs], ours.step


def _report(
    name: str, plain_name: str, plain: Callable[[], object], ours: Callable[[], object], *, repeats: int
) -> None:
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for number in range(repeats + 3):
        for way, function in (("plain", plain), ("ours", ours)):
            started = time.perf_counter()
            function()
            if number >= 3:  # the first iterations are warm-up
                times[way].append(1000 * (time.perf_counter() - started))
    median = {way: statistics.median(each) for way, each in times.items()}
    ratio = median["plain"] / median["ours"]
    print(f"| {name} | {plain_name} | {median['plain']:.2f} | {median['ours']:.2f} | {ratio:.1f}x |", flush=True)
