from __future__ import annotations

from ml_playground.terminal.columns import aligned


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    lines = aligned([("name", "loss"), ("a", "12.5"), ("longer", "3")], right=[1])
    assert lines == ["name    loss", "a       12.5", "longer     3"]


def test_width_is_that_of_a_terminal() -> None:
    assert aligned([("日本", "x"), ("abcd", "y"), ("a\u0308b", "z")]) == ["日本  x", "abcd  y", "a\u0308b    z"]


def test_control_characters_cannot_move_the_cursor() -> None:
    assert aligned([("a\x1b[2J\n", "b")]) == [r"a\x1b[2J\n  b"]


def test_no_rows_are_no_lines() -> None:
    assert aligned([]) == []
