"""What people read: status on standard error, so that samples and listings can be piped."""

from __future__ import annotations

from rich.console import Console

from ml_playground.errors import printable

# No markup: brackets and colons in names and paths are the user's.
console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def say(line: str) -> None:
    """One line of status, in which a name cannot steer the terminal."""
    console.print(printable(line))
