"""A model hub on the loopback interface: one repository, at one commit."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Handler(BaseHTTPRequestHandler):
    """Serves ``/OWNER/NAME/resolve/REVISION/FILE`` from a folder."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type]  # what the server passes on

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.wfile.write(self._answer())

    def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002  # its name
        """Not into the test's output."""

    def _answer(self) -> bytes:
        path = self.folder / self.path.rpartition("/")[2]
        content = path.read_bytes() if "/resolve/" in self.path and path.is_file() else None
        self.send_response(404 if content is None else 200)
        if content is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        return content or b""


@contextmanager
def serving(folder: Path) -> Generator[str]:
    """Serve a model's folder, and yield the endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
