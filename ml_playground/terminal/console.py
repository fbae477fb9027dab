"""Status messages, on standard error so that samples and listings can be piped."""

from __future__ import annotations

from rich.console import Console

from ml_playground.errors import printable

# No markup, because names and paths may contain brackets and colons.
console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def say(line: str) -> None:
    """Print a status line, with control characters escaped."""
    console.print(printable(line))
