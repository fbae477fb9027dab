from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_playground import cli, run
from ml_playground.signals import stop_signals


@pytest.fixture
def tiny(workspace: Path) -> Path:
    """The tiny experiment, in the working directory's own conf/."""
    folder = workspace / "conf" / "experiment"
    folder.mkdir(parents=True)
    text = (workspace / "tiny.toml").read_text(encoding="utf-8")
    preparer = '[prepare]\npreparer = "bundestag_char"'
    text = 'description = "A test"\n' + text.lstrip().replace("[prepare]", preparer)
    (folder / "tiny.toml").write_text(text, encoding="utf-8")
    return workspace


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Invoke = Callable[..., Result]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Generator[Invoke]:
    """Call a command's entry point in this process: ``invoke("mlp-run", "experiment=x")``."""
    handlers = {signum: signal.getsignal(signum) for signum in stop_signals()}

    def call(command: str, *arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", [command, *arguments])
        with pytest.raises(SystemExit) as stop:
            (run if command == "mlp-run" else cli).main()
        captured = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return Result(stop.value.code, captured.out, captured.err)

    yield call
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


def start(folder: Path, module: str, *arguments: str) -> subprocess.Popen[str]:
    """A command in a process of its own, where a warning is an error too."""
    return subprocess.Popen(
        [sys.executable, "-m", f"ml_playground.{module}", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
