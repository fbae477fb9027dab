"""What people read: status on standard error, so that samples and listings can be piped."""

from __future__ import annotations

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """One line of status, as it is: brackets in file names are no markup."""
    console.print(line, markup=False)
