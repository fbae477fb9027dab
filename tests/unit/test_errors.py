from __future__ import annotations

import pytest

from ml_playground.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("one\ntwo"), "one"),
        (RuntimeError("\n  one \n"), "one"),
        (RuntimeError(""), "RuntimeError"),
        (KeyError(), "KeyError"),
    ],
)
def test_an_error_is_one_line_even_without_a_message(error: Exception, line: str) -> None:
    assert first_line(error) == line
