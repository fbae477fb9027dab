"""Sampling speed against llama.cpp: the same model in float32, one sample at a time, the same number of threads.

llama.cpp runs in a process of its own, which waits while we generate. Weights are randomly initialized.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import torch

from ml_playground.exporting.gguf import write_gguf
from ml_playground.exporting.llama_cpp import llama_cpp
from ml_playground.models.base import LanguageModel
from ml_playground.models.build import create_model
from ml_playground.models.config import ModelArgs
from ml_playground.sampling.config import SamplingConfig
from ml_playground.sampling.decoding import for_decoding
from ml_playground.sampling.generation import generate
from ml_playground.text.char import CharTokenizer
from ml_playground.training.config import Device, Dtype
from ml_playground.training.device import choose_hardware
from ml_playground.training.loading import Trained

_TOKENS, _CONTEXT = 250, 256
_SETTINGS = SamplingConfig(temperature=0.8, top_k=50, max_new_tokens=_TOKENS)
_SHAPE: ModelArgs = {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": _CONTEXT, "dropout": 0.0}
_MODELS: dict[str, ModelArgs] = {
    "gpt": {**_SHAPE, "family": "gpt", "bias": False, "activation": "gelu_tanh"},
    "qwen3": {**_SHAPE, "family": "qwen3", "n_kv_head": 6, "n_inner": 1024},
}
_CHARACTERS = "".join(map(chr, range(33, 97)))


def measure(rounds: int) -> None:
    """Print a table for model (b) of docs/performance.md in both families."""
    program = llama_cpp()
    if program is None:
        print("llama.cpp is not installed; uv sync --extra verify")
        return
    print(f"{program}; 6 layers, 384 wide, float32, one sample of {_TOKENS} characters")
    print(f"\n| family | threads | program | ms a token, median | tokens/s | ratio |\n|{'---|' * 6}")
    tokenizer, everywhere = CharTokenizer(_CHARACTERS), torch.get_num_threads()
    for family, args in _MODELS.items():
        model = create_model({**args, "vocab_size": tokenizer.vocab_size})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.gguf"
            write_gguf(Trained(path, 0, model, tokenizer, []), path, "f32")
            for threads in dict.fromkeys((1, everywhere)):
                _print(family, threads, _times(model, path, threads, rounds))
    torch.set_num_threads(everywhere)


def _print(family: str, threads: int, times: dict[str, list[float]]) -> None:
    base = statistics.median(times["llama.cpp"])
    for name, seconds in times.items():
        median = statistics.median(seconds)
        row = (family, threads, name, f"{1000 * median / _TOKENS:.2f}", f"{_TOKENS / median:,.0f}")
        print(f"| {' | '.join(map(str, row))} | {base / median:.2f}x |", flush=True)


def _times(model: LanguageModel, path: Path, threads: int, rounds: int) -> dict[str, list[float]]:
    hardware = choose_hardware(Device.cpu, Dtype.float32)
    torch.set_num_threads(threads)
    for_decoding(model, hardware)
    start = torch.zeros(1, dtype=torch.int64)
    times: dict[str, list[float]] = {"llama.cpp": [], "ml-playground": []}
    child = [sys.executable, "-m", "benchmarks.llama_cpp", str(path), str(threads)]
    with subprocess.Popen(
        child, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as theirs:
        assert theirs.stdin is not None
        assert theirs.stdout is not None
        for number in range(rounds + 1):
            seconds = _ask(theirs.stdin, theirs.stdout)
            started = time.perf_counter()
            with hardware.autocast():
                for _ in generate(model, start, model.vocab_size, _SETTINGS, torch.Generator()):
                    pass
            if number:  # the first is a warm-up
                times["llama.cpp"].append(seconds)
                times["ml-playground"].append(time.perf_counter() - started)
        theirs.stdin.close()
    return times


def _ask(stdin: IO[str], stdout: IO[str]) -> float:
    stdin.write("\n")
    stdin.flush()
    return float(stdout.readline())


def _serve(path: str, threads: int) -> None:
    """Generate a text in llama.cpp for each line of standard input, and print the seconds."""
    from cyllama.llama import llama_cpp as program

    model = program.LlamaModel(path, program.LlamaModelParams(), verbose=False)
    params = program.LlamaContextParams()
    params.n_ctx, params.n_threads, params.n_threads_batch = _CONTEXT, threads, threads
    context = program.LlamaContext(model, params, verbose=False)
    for _ in sys.stdin:
        sampler: Any = program.LlamaSampler(program.LlamaSamplerChainParams())
        sampler.add_top_k(_SETTINGS.top_k)
        sampler.add_temp(_SETTINGS.temperature)
        sampler.add_dist(1)
        context.kv_cache_clear()
        batch: Any = program.LlamaBatch(n_tokens=1, embd=0, n_seq_max=1)
        token, started = 0, time.perf_counter()
        for place in range(_TOKENS):
            batch.clear()
            batch.add(token, place, [0], True)  # their signature
            context.decode(batch)
            token = sampler.sample(context, -1)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
