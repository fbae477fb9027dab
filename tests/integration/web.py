"""A server on the loopback interface that misbehaves in every way that servers do."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


class Handler(BaseHTTPRequestHandler):
    """Answers each request as the site's script says, and as it should where the script has ended."""

    def __init__(self, site: Site, *arguments: object) -> None:
        self.site = site
        super().__init__(*arguments)  # type: ignore[arg-type]  # what the server passes on

    def do_GET(self) -> None:
        self.site.requests.append((self.path, dict(self.headers), time.monotonic()))
        answer = self.site.script.pop(0) if self.site.script else serve
        answer(self)

    def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002  # its name
        """Not into the test's output."""

    def start(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


Answer = Callable[[Handler], None]


class Site:
    """The server, what it offers, and what it was asked."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.etag: str | None = '"1"'
        self.script: list[Answer] = []
        self.requests: list[tuple[str, dict[str, str], float]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, self))
        self.url = f"http://127.0.0.1:{self.server.server_port}/file"
        self.released = threading.Event()

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers, _ in self.requests]


def serve(handler: Handler) -> None:
    """As a good server does: in part where asked for a part of this very version."""
    site = handler.site
    tags = {"ETag": site.etag} if site.etag else {}
    wanted = handler.headers.get("Range")
    if wanted is None or handler.headers.get("If-Range", site.etag) != site.etag:
        handler.start(200, Content_Length=len(site.content), **tags)
        handler.wfile.write(site.content)
        return
    first, size = int(wanted.removeprefix("bytes=").removesuffix("-")), len(site.content)
    if first >= size:
        handler.start(416, Content_Range=f"bytes */{size}", Content_Length=0)
    else:
        handler.start(206, Content_Range=f"bytes {first}-{size - 1}/{size}", Content_Length=size - first, **tags)
        handler.wfile.write(site.content[first:])


def cut(handler: Handler) -> None:
    """Half of it, and then the line is dead."""
    tags = {"ETag": handler.site.etag} if handler.site.etag else {}
    handler.start(200, Content_Length=len(handler.site.content), **tags)
    handler.wfile.write(handler.site.content[:HALF])


def ignore_range(handler: Handler) -> None:
    handler.start(200, Content_Length=len(handler.site.content), ETag=handler.site.etag)
    handler.wfile.write(handler.site.content)


def wrong_range(handler: Handler) -> None:
    handler.start(206, Content_Range=f"bytes 7-8/{len(CONTENT)}", Content_Length=2)
    handler.wfile.write(b"xx")


def drip(handler: Handler) -> None:
    handler.start(200, Content_Length=len(CONTENT))
    for start in range(0, len(CONTENT), HALF // 4):
        handler.wfile.write(CONTENT[start : start + HALF // 4])
        time.sleep(0.05)


def hang(handler: Handler) -> None:
    """Half of it, and then silence with the line open."""
    cut(handler)
    handler.wfile.flush()
    handler.site.released.wait(20)


def fail(status: int) -> Answer:
    return lambda handler: handler.start(status, Content_Length=0)


def redirect(to: str) -> Answer:
    return lambda handler: handler.start(302, Location=to, Content_Length=0)
