from __future__ import annotations

import pytest

from ml_playground.terminal.numbers import duration, loss, short


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"), (7, "7 B"), (999, "999 B"), (999.6, "1 kB"), (1234, "1.23 kB"), (123_456, "123 kB"),
        (999_700, "1 MB"), (2_457_600, "2.46 MB"), (1.5e18, "1.5 EB"), (5e22, "50000 EB"),
    ],
)  # fmt: skip
def test_numbers_have_three_significant_digits_and_a_prefix(number: float, text: str) -> None:
    assert short(number, "B") == text


def test_without_a_unit_there_is_no_trailing_space() -> None:
    assert (short(12), short(12_000)) == ("12", "12 k")


@pytest.mark.parametrize(("seconds", "text"), [(0.25, "0.25 s"), (99, "99 s"), (750, "12.5 min"), (11_520, "3.2 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_missing_loss_is_empty() -> None:
    assert (loss(None), loss(1.5)) == ("", "1.5000")
