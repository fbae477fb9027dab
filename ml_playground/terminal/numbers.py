"""Numbers for people, with three or four significant digits."""

from __future__ import annotations

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def short(number: float, unit: str = "") -> str:
    """Format a number with an SI prefix, such as ``2.46 M``, or ``18.3 MB`` with the unit ``B``."""
    power = 0
    while abs(number) >= 999.5 and power < len(_PREFIXES) - 1:
        number, power = number / 1000, power + 1
    digits = f"{number:.0f}" if abs(number) >= 99.95 else f"{number:.3g}"
    return f"{digits} {_PREFIXES[power]}{unit}".rstrip()


def loss(value: float | None) -> str:
    """Format a loss or bits per byte; empty if there is none."""
    return "" if value is None else f"{value:.4f}"


def duration(seconds: float) -> str:
    """Format a duration, such as ``41 s``, ``12.5 min`` or ``3.2 h``."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"
