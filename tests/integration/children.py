"""Training in processes that can be killed.

A fork server imports torch once, so that a child starts in milliseconds. A child may carry a hook: at the n-th call of
a named function it sends itself a signal, which is how a test stops it at a known place.
"""

from __future__ import annotations

import functools
import importlib
import io
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal

import torch

from ml_playground import cli
from ml_playground.commands.exit import run_command
from ml_playground.commands.loop import loop
from ml_playground.composition.load import load_experiment
from ml_playground.config import ExperimentConfig
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.train import train
from ml_playground.sweeping.run import run_sweep
from ml_playground.sweeping.sweep import load_sweep
from ml_playground.sweeping.worker import work
from tests.integration.sweeps import begin

_VERBS: dict[str, Callable[[ExperimentConfig], object]] = {"prepare": prepare, "train": train, "loop": loop}
_CLEANING: dict[str, list[str]] = {"clean": [], "empty": ["--empty-trash"]}
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.integration.children"])


@dataclass(frozen=True)
class Hook:
    """Send ``signum`` to oneself around the n-th call of ``module:attribute``."""

    where: str
    """``ml_playground.training.checkpoint:copy``; or ``write:0.25``, after that share of a checkpoint's bytes."""
    call: int
    signum: signal.Signals
    when: Literal["before", "after"] = "before"
    argument: str = ""
    """Count only calls with this text in their arguments."""


def start(folder: Path, config: Path, hook: Hook | None = None, *, verb: str = "train") -> ForkServerProcess:
    """A child that trains, or runs ``sweeps/small.toml``, whole (``sweep``) or as one worker (``work``; ``join`` if
    there is a study).

    Its standard error goes to ``child.log`` in the folder.
    """
    process = _context.Process(
        target=_child, args=(folder, _experiment(config) if verb in _VERBS else config, hook, verb)
    )
    process.start()
    return process


def start_cleaning(folder: Path, hook: Hook | None = None, *, empty_trash: bool = False) -> ForkServerProcess:
    """A child that runs ``mlp clean``."""
    process = _context.Process(target=_child, args=(folder, folder, hook, "empty" if empty_trash else "clean"))
    process.start()
    return process


def finish(folder: Path, config: Path, hook: Hook | None = None, *, verb: str = "train") -> int:
    """Run a child to its end; its exit code, negative for a signal that killed it."""
    process = start(folder, config, hook, verb=verb)
    process.join(120)
    assert process.exitcode is not None, "the child hangs"
    return process.exitcode


def log(folder: Path) -> str:
    """What all children of the folder said."""
    return (folder / "child.log").read_text(encoding="utf-8")


_experiments: dict[str, ExperimentConfig] = {}


def _experiment(path: Path) -> ExperimentConfig:
    """The settings that a file has, which takes as long to find out as the training of a child."""
    text = path.read_text(encoding="utf-8")
    if text not in _experiments:
        _experiments[text] = load_experiment("bundestag_char", path)
    return _experiments[text]


def _child(folder: Path, config: Path | ExperimentConfig, hook: Hook | None, verb: str) -> None:
    os.chdir(folder)
    torch.set_num_threads(1)
    # The streams as the system knows them: nothing else reaches what is said while the interpreter shuts down.
    descriptor = os.open(folder / "child.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if hook:
        _install(hook)

    def run() -> None:
        if isinstance(config, ExperimentConfig):
            _VERBS[verb](config)
        elif verb in _CLEANING:
            cli.run(["clean", "--yes", *_CLEANING[verb]])
        else:
            _sweep(config, verb)

    run_command(run)


def _sweep(config: Path, verb: str) -> None:
    sweep = load_sweep("small", "bundestag_char", config)
    if verb == "sweep":
        run_sweep(sweep)
    else:
        if verb == "work":
            begin(sweep)
        work(sweep)


def _install(hook: Hook) -> None:
    module, _, attribute = hook.where.partition(":")
    if module == "write":
        _install_partial_write(float(attribute), hook)
        return
    owner: object = importlib.import_module(module)
    *path, name = attribute.split(".")
    for part in path:
        owner = getattr(owner, part)
    setattr(owner, name, _signalling(getattr(owner, name), hook))


def _signalling(function: Callable[..., object], hook: Hook) -> Callable[..., object]:
    calls = 0

    @functools.wraps(function)
    def wrapper(*args: object, **kwargs: object) -> object:
        nonlocal calls
        counts = not hook.argument or hook.argument in str(args)
        calls += counts
        act = counts and calls == hook.call
        if act and hook.when == "before":
            os.kill(os.getpid(), hook.signum)
        result = function(*args, **kwargs)
        if act and hook.when == "after":
            os.kill(os.getpid(), hook.signum)
        return result

    return wrapper


def _install_partial_write(share: float, hook: Hook) -> None:
    save = torch.save
    calls = 0

    def partial_save(content: object, file: io.BufferedWriter) -> None:
        nonlocal calls
        calls += 1
        if calls == hook.call:
            whole = io.BytesIO()
            save(content, whole)
            file.write(whole.getvalue()[: int(share * whole.tell())])
            file.flush()
            os.kill(os.getpid(), hook.signum)
        save(content, file)

    torch.save = partial_save  # type: ignore[assignment]  # called with these two arguments only
