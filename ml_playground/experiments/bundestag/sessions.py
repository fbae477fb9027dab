"""Download the official files of selected sittings from the Bundestag."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ml_playground.errors import DataError
from ml_playground.terminal.console import say
from ml_playground.text.download import Downloader, no_xml

_SESSIONS = re.compile(r"(\d{1,2})/(\d{1,3})(?:-(\d{1,3}))?")


def fetch_sessions(sessions: Sequence[str], url: str, folder: Path, request_interval: float) -> list[Path]:
    """Download the files of sittings to the folder, as ``20001.xml``; existing files are not downloaded again.

    Args:
        sessions: Term and number, or first and last number, as ``20/1`` or ``21/3-7``.
        url: URL with the placeholders ``{term}`` and ``{session}``, which are replaced by two and three digits.
        folder: Created if missing.
        request_interval: Minimum time in seconds between two requests.

    Raises:
        DataError: a session is not in this format, or a file cannot be downloaded.
    """
    wanted = [pair for text in sessions for pair in _numbers(text)]
    missing = [placeholder for placeholder in ("{term}", "{session}") if placeholder not in url]
    if missing:
        raise DataError(f"prepare.url: {url!r} lacks {' and '.join(missing)}, which stand for the session's numbers")
    paths = {folder / f"{term:02}{number:03}.xml": (term, number) for term, number in wanted}
    absent = {path: pair for path, pair in paths.items() if not path.exists()}
    if absent:
        say(f"downloading: {len(absent):,} of {len(paths):,} sessions to {folder}")
    with Downloader(min_interval=request_interval) as downloader:
        for path, (term, number) in absent.items():
            address = url.replace("{term}", f"{term:02}").replace("{session}", f"{number:03}")
            downloader.fetch(address, path, None, refuse=no_xml)
    return list(paths)


def _numbers(text: str) -> list[tuple[int, int]]:
    found = _SESSIONS.fullmatch(text)
    term, first, last = (int(found[1]), int(found[2]), int(found[3] or found[2])) if found else (0, 0, 0)
    if not 0 < first <= last or not term:
        raise DataError(f"prepare.sessions: {text!r} names no session; write '20/1', or '20/1-7' for several")
    return [(term, number) for number in range(first, last + 1)]
