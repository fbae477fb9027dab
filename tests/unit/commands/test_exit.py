"""How a command ends."""

from __future__ import annotations

import re
import signal
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from ml_playground.commands.exit import run_command
from ml_playground.errors import DataError
from ml_playground.signals import stop_signals


@pytest.fixture(autouse=True)
def signals() -> Generator[None]:
    handlers = {signum: signal.getsignal(signum) for signum in stop_signals()}
    yield
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


def end(command: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as stop:
        run_command(command)
    return stop.value.code, capsys.readouterr().err


def defect() -> None:
    raise LookupError("two\nlines \x1b[31m")


def test_an_unexpected_error_is_one_line_with_a_file_that_has_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code, said = end(defect, capsys)
    assert code == 1
    (log,) = tmp_path.iterdir()
    told = f"please report it with {log}, which has the traceback"
    assert said == f"unexpected LookupError: two; this is a defect: {told}\n"
    assert re.search(r"Traceback .*in defect\n.*LookupError: two", log.read_text(encoding="utf-8"), re.DOTALL)


def test_where_no_file_can_be_written_the_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    code, said = end(defect, capsys)
    assert (code, said.count("\n")) == (1, 1)
    assert "its traceback cannot be written: No such file" in said


def test_what_a_user_has_done_wrong_is_one_line_that_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def wrong() -> None:
        raise DataError("a\x1b[31m\nb: is empty")

    assert end(wrong, capsys) == (2, "a\\x1b[31m\\nb: is empty\n")
