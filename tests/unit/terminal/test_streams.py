"""Printing that cannot fail a run."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from ml_playground.terminal.streams import forgive_streams
forgive_streams()
print("an em dash \N{EM DASH}")
for _ in range(2000):
    print("x" * 100)
    print("y" * 100, file=sys.stderr)
sys.stdout.flush()
sys.exit(7)
"""


@pytest.mark.parametrize("streams", ["2>/dev/null | head -c 5; exit ${PIPESTATUS[0]}", ">/dev/full 2>&1", ">&- 2>&-"])
def test_streams_that_are_closed_or_full_change_neither_the_exit_code_nor_the_end(streams: str) -> None:
    result = subprocess.run(
        ["bash", "-c", f'"$0" -W error -c "$1" {streams}', sys.executable, PROGRAM],
        env={"PYTHONIOENCODING": "latin-1"}, capture_output=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (7, b"")
    assert result.stdout in (b"an em", b"")


def test_a_character_that_the_terminal_lacks_is_shown_as_another() -> None:
    program = PROGRAM.replace("range(2000)", "range(0)")
    result = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONIOENCODING": "latin-1"}, capture_output=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (7, b"an em dash ?\n", b"")
