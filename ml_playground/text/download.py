"""Download files once: a file is complete and verified under its final name, or it does not exist."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Self

import httpx

from ml_playground.durable import lock
from ml_playground.errors import DataError
from ml_playground.terminal.console import say
from ml_playground.terminal.progress import ByteProgress
from ml_playground.text.partial import Partial

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds to wait before each retry; there is one attempt more than there are pauses."""
TIMEOUT = 30.0
"""Seconds without receiving data after which a request times out."""


_PROXIES = ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_OTHERS = ("NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")

Refuse = Callable[[bytes], str | None]


def html_page(head: bytes) -> str | None:
    """Return what is wrong if a file starts like an HTML page, else None."""
    if re.match(rb"\s*<(!doctype\s+html|html)\b", head.removeprefix(codecs.BOM_UTF8), re.IGNORECASE):
        return "answered with a page for browsers, which is not the file"
    return None


def no_xml(head: bytes) -> str | None:
    """Like :func:`html_page`, for files that must be XML."""
    if not head.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<"):
        return "answered with something that is not XML"
    return html_page(head)


def download(
    url: str, path: Path, sha256: str | None, *, pauses: Sequence[float] = PAUSES, timeout: float = TIMEOUT
) -> None:
    """Download one file; see :meth:`Downloader.fetch`. For many files from one server, use one :class:`Downloader`."""
    with Downloader(pauses=pauses, timeout=timeout) as downloader:
        downloader.fetch(url, path, sha256)


class Downloader:
    """Downloads files one after another over persistent connections. Not thread-safe."""

    def __init__(
        self, *, min_interval: float = 0.0, pauses: Sequence[float] = PAUSES, timeout: float = TIMEOUT
    ) -> None:
        """Create a downloader; the HTTP client is created at the first request.

        Args:
            min_interval: Minimum time in seconds between the starts of two requests.
            pauses: Seconds to wait before each retry.
            timeout: Seconds without receiving data after which a request times out.
        """
        self._min_interval = min_interval
        self._pauses = pauses
        self._next_request = 0.0
        self._timeout = timeout
        self._clients = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._clients.close()

    @cached_property
    def _client(self) -> httpx.Client:
        """HTTP client, created at the first request: existing files must not fail because of network settings.

        Raises:
            _PermanentError: environment variables name a proxy or certificates that cannot be used.
        """
        try:
            client = httpx.Client(
                follow_redirects=True,
                timeout=self._timeout,
                # Ranges and digests refer to the file's own bytes, so the response must not be compressed.
                headers={"Accept-Encoding": "identity", "User-Agent": "ml-playground"},
                event_hooks={"request": [self._wait_for_turn]},
            )
        except (ImportError, httpx.InvalidURL, ValueError, OSError) as error:
            raise _PermanentError(f"cannot be fetched{_surroundings(_PROXIES + _OTHERS)} ({error})") from None
        return self._clients.enter_context(client)

    def fetch(self, url: str, path: Path, sha256: str | None, *, refuse: Refuse = html_page) -> None:
        """Download an http or https URL to ``path``, unless the file already exists.

        A partial download that a broken connection or a killed process left in ``<path>.part`` is resumed if the server
        supports it and an ETag or ``sha256`` (hex; None skips the check) ensures that both parts are from the same
        version. An existing file with another digest is replaced. Processes that want the same file download it once.

        Args:
            url: Address of the file.
            path: Where to save it.
            sha256: Expected SHA-256 as a hex digest, or None.
            refuse: Returns what is wrong with the beginning of a file, or None: servers may send an HTML page instead
                of the file when they are unavailable, or mistake us for a bot.

        Raises:
            DataError: the file cannot be downloaded or written, is refused, or has another digest. The one-line message
                says where to put the file manually.
        """
        if not re.fullmatch(r"https?://\S+", url, re.IGNORECASE):
            raise _failure(repr(url), "is not an http or https address", path)
        try:
            if _is_there(path, sha256):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            with lock(path.with_name(f".{path.name}.lock"), wait=True):
                if not _is_there(path, sha256):  # another process may have just downloaded it
                    self._fetch(url, path, sha256, refuse)
                    say(f"downloaded: {url} to {path}")
        except OSError as error:
            raise _failure(url, f"cannot be saved ({error.strerror})", path) from None

    def _fetch(self, url: str, path: Path, sha256: str | None, refuse: Refuse) -> None:
        partial = Partial(path)
        for pause in (*self._pauses, None):
            try:
                self._attempt(url, partial, path.name, sha256, refuse)
                break
            except (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, _TransientError) as error:
                problem = str(error) or type(error).__name__
                if pause is None:
                    times = len(self._pauses) + 1
                    raise _failure(url, f"{problem}, {times} times{_surroundings(_PROXIES)}", path) from None
                say(f"{url}: {problem}; trying again in {pause:g} s")
                time.sleep(pause)
            except (httpx.RequestError, httpx.InvalidURL, _PermanentError) as error:
                raise _failure(url, str(error), path) from None
        partial.complete()

    def _attempt(self, url: str, partial: Partial, name: str, sha256: str | None, refuse: Refuse) -> None:
        headers: dict[str, str] = {}
        etag = partial.etag(url)
        # Without either, the two parts could be from different versions, unnoticed.
        if etag or (etag is not None and sha256):
            headers["Range"] = f"bytes={partial.size}-"
            if etag:
                headers["If-Range"] = etag
        with self._client.stream("GET", url, headers=headers) as response:
            resumed = "Range" in headers and _goes_on(response, partial)
            if not (resumed and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
                _receive(response, partial, url, name, resumed=resumed)
        if sha256 and (found := partial.sha256()) != sha256.lower():
            partial.discard()
            if resumed:
                raise _TransientError("changed on the server since the first part came")
            raise _PermanentError(f"has other content than expected: SHA-256 {found}, not {sha256.lower()}")

        if problem := refuse(partial.head()):
            partial.discard()
            raise _PermanentError(problem)

    def _wait_for_turn(self, _request: httpx.Request) -> None:
        time.sleep(max(0.0, self._next_request - time.monotonic()))
        self._next_request = time.monotonic() + self._min_interval


class _TransientError(Exception):
    """A failure that may not recur when retried."""


class _PermanentError(Exception):
    """A failure that retrying will not fix."""


def _goes_on(response: httpx.Response, partial: Partial) -> bool:
    """Return whether the response to a Range request continues the partial file or says that it is already complete."""
    content_range = response.headers.get("Content-Range", "")
    if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        whole = content_range == f"bytes */{partial.size}"
    elif response.status_code == HTTPStatus.PARTIAL_CONTENT:
        whole = content_range.startswith(f"bytes {partial.size}-")
    else:
        return False
    if not whole:
        partial.discard()
        raise _TransientError(f"answered with another part than asked for ({content_range or 'no Content-Range'})")
    return True


def _receive(response: httpx.Response, partial: Partial, url: str, name: str, *, resumed: bool) -> None:
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or response.is_server_error:
        raise _TransientError(f"answered {status} {response.reason_phrase}")
    if status != (HTTPStatus.PARTIAL_CONTENT if resumed else HTTPStatus.OK):
        raise _PermanentError(f"answered {status} {response.reason_phrase}")
    # A weak ETag guarantees that two versions are semantically equivalent, not that their bytes are equal.
    etag = response.headers.get("ETag", "")
    done = partial.size if resumed else 0
    rest = response.headers.get("Content-Length")
    with (
        partial.resume() if resumed else partial.start(url, "" if etag.startswith("W/") else etag) as file,
        ByteProgress(name, done, done + int(rest) if rest else None) as progress,
    ):
        for block in response.iter_raw():
            file.write(block)
            progress.advance(len(block))


def _is_there(path: Path, sha256: str | None) -> bool:
    if sha256 is None or not path.exists():
        return path.is_file()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256.lower()


def _surroundings(variables: Sequence[str]) -> str:
    """Return the set environment variables that affect network access and may be the cause, for messages."""
    names = [name for name in variables if os.environ.get(name)]
    return f", with {', '.join(names)} set in the environment" if names else ""


def _failure(url: str, problem: str, path: Path) -> DataError:
    return DataError(f"{url}: {problem}; fetch it in another way and put it at {path}")
