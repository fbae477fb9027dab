"""``python -m benchmarks [PART ...]``: side by side with others in one run; medians and ratios."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable

import torch

from benchmarks import (
    ablation,
    choosing,
    comparing,
    confirming,
    contention,
    finetuning,
    llama_cpp,
    parity,
    parts,
    preparing,
    recipes,
    roofline,
    sampling,
    saving,
    startup,
    sweeping,
    training,
    workers,
)

PARTS: dict[str, Callable[[int], None]] = {
    "startup": startup.measure,
    "roofline": roofline.measure,
    "parts": parts.measure,
    "preparing": preparing.measure,
    "training": training.measure,
    "parity": parity.measure,
    "recipes": recipes.measure,
    "ablation": ablation.measure,
    "sampling": sampling.measure,
    "llama_cpp": llama_cpp.measure,
    "saving": saving.measure,
    "sweeping": sweeping.measure,
    "confirming": confirming.measure,
    "choosing": choosing.measure,
    "finetuning": finetuning.measure,
    "contention": contention.measure,
    "comparing": comparing.measure,
    "workers": workers.measure,
}


def main() -> None:
    """Parse the command line and run the selected parts."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="Peers are found through the environment: NANOGPT=path/to/nanoGPT TINY_SHAKESPEARE=path/to/input.txt"
        " TINY_LM=path/to/model",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=3, help="how often each program runs, in turn")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part is named {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    for name, measure in PARTS.items():
        if not options.parts or name in options.parts:
            print(f"\n# {name}", flush=True)
            measure(options.rounds)


if __name__ == "__main__":
    main()
