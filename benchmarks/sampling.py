"""Generation speed against nanoGPT and transformers, with the same weights and settings.

Measures the time of a whole call, including the prompt, after one short warm-up call. Weights are randomly initialized,
because speed does not depend on what a model has learned.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, GPT2Config, GPT2LMHeadModel

from benchmarks.programs import environment
from ml_playground.models.gpt import GPT, GPTArgs
from ml_playground.sampling.config import SamplingConfig
from ml_playground.sampling.decoding import for_decoding
from ml_playground.sampling.generation import generate
from ml_playground.training.config import Device, Dtype
from ml_playground.training.device import choose_hardware

_BATCHES = (1, 8)
_SETTINGS = SamplingConfig(temperature=0.8, top_k=200)
_MID = GPTArgs(n_layer=6, n_head=6, n_embd=384, block_size=256, bias=False, vocab_size=65, dropout=0.0)
_GPT2 = GPTArgs(n_layer=12, n_head=12, n_embd=768, block_size=1024, bias=True, vocab_size=50257, dropout=0.0)

Program = Callable[[int, int], object]
"""Generates text, given a batch size and a number of tokens."""


class _NanoGPT(Protocol):
    """Interface of nanoGPT's ``model.py``."""

    def GPTConfig(self, **arguments: object) -> object: ...  # noqa: N802  # nanoGPT's name

    def GPT(self, config: object) -> nn.Module: ...  # noqa: N802  # nanoGPT's name


def measure(rounds: int) -> None:
    """Print a table for each program compared with."""
    _compare_with_transformers(rounds)
    if nanogpt := environment("NANOGPT", "a checkout of karpathy/nanoGPT"):
        _compare_with_nanogpt(nanogpt, rounds)


def _compare_with_nanogpt(checkout: Path, rounds: int) -> None:
    """Compare the generation of 500 tokens with a context length of 256."""
    print("\n6 layers, 384 wide, 500 tokens")
    model = GPT(_MID)
    spec = importlib.util.spec_from_file_location("nanogpt_model", checkout / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nanogpt_model"] = module  # needed by its dataclass decorator
    spec.loader.exec_module(module)
    nanogpt = cast("_NanoGPT", module)
    own = ("norm_eps", "activation")  # which nanoGPT does not choose
    settings = {name: value for name, value in vars(_MID).items() if name not in own}
    theirs = nanogpt.GPT(nanogpt.GPTConfig(**settings))
    theirs.load_state_dict(model.state_dict())
    theirs.train(False)
    write = cast("Callable[..., Tensor]", theirs.generate)

    @torch.no_grad()
    def program(batch: int, tokens: int) -> None:
        start = torch.zeros(batch, 1, dtype=torch.int64)
        write(start, tokens, temperature=_SETTINGS.temperature, top_k=_SETTINGS.top_k)

    _measure({"nanoGPT": program, "ml-playground": _ours(model)}, 500, rounds)


def _compare_with_transformers(rounds: int) -> None:
    """Compare a medium model and one of GPT-2's size, within the context length, which transformers cannot exceed."""
    for title, args, tokens in (("6 layers, 384 wide", _MID, 250), ("GPT-2's size, 124 M parameters", _GPT2, 100)):
        print(f"\n{title}, {tokens} tokens")
        model = GPT(args)
        theirs = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=args.vocab_size,
                n_positions=args.block_size,
                n_embd=args.n_embd,
                n_layer=args.n_layer,
                n_head=args.n_head,
                activation_function="gelu",
                bos_token_id=0,
                eos_token_id=0,
            )
        )
        # The linear layers of transformers are transposed, and always have biases.
        conv = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
        weights = {name: w.T if name.endswith(conv) else w for name, w in model.state_dict().items()}
        theirs.load_state_dict({**theirs.state_dict(), **weights})
        theirs.train(False)
        _measure({"transformers": _transformers(theirs), "ml-playground": _ours(model)}, tokens, rounds)


def _transformers(model: GPT2LMHeadModel) -> Program:
    write: Callable[..., Tensor] = vars(GenerationMixin)["generate"]  # its annotation of ``self`` does not match models

    def program(batch: int, tokens: int) -> None:
        start = torch.zeros(batch, 1, dtype=torch.int64)
        settings = {"do_sample": True, "temperature": _SETTINGS.temperature, "top_k": _SETTINGS.top_k}
        mask = torch.ones_like(start)
        out = write(
            model, start, attention_mask=mask, max_new_tokens=tokens, eos_token_id=None, pad_token_id=0, **settings
        )
        assert out.shape == (batch, 1 + tokens)

    return program


def _ours(model: GPT) -> Program:
    hardware = choose_hardware(Device.cpu, Dtype.auto)
    for_decoding(model, hardware)
    start = torch.zeros(1, dtype=torch.int64)

    def program(batch: int, tokens: int) -> None:
        settings = replace(_SETTINGS, max_new_tokens=tokens)
        with hardware.autocast():
            for _ in generate(model, start, model.vocab_size, settings, torch.Generator(), batch):
                pass

    return program


def _measure(programs: dict[str, Program], tokens: int, rounds: int) -> None:
    print(f"\n| program | samples at once | ms a step, median | tokens/s | ratio |\n|{'---|' * 5}")
    for batch in _BATCHES:
        times: dict[str, list[float]] = {name: [] for name in programs}
        for program in programs.values():
            program(batch, 5)
        for _ in range(rounds):
            for name, program in programs.items():
                started = time.perf_counter()
                program(batch, tokens)
                times[name].append(time.perf_counter() - started)
        base = statistics.median(next(iter(times.values())))
        for name, seconds in times.items():
            median = statistics.median(seconds)
            step, speed = 1000 * median / tokens, batch * tokens / median
            print(f"| {name} | {batch} | {step:.2f} | {speed:,.0f} | {base / median:.2f}x |", flush=True)
