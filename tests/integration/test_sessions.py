"""Official protocols of chosen sessions, from a server on the loopback interface."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ml_playground.errors import DataError
from ml_playground.experiments.registry import find_preparer
from ml_playground.text.config import PrepareConfig
from ml_playground.text.conversation import ConversationFile
from ml_playground.text.source import TextSource
from tests.unit.experiments.bundestag.protocols import protocol_xml

DAYS = {1: "26.10.2021", 2: "27.10.2021", 3: "11.11.2021"}


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, float]] = []
        self.closed = False
        self.url = f"http://127.0.0.1:{self.server_port}/btp/{{term}}/{{term}}{{session}}.xml"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked.append((self.path, time.monotonic()))
        number = int(self.path[-7:-4])
        content = protocol_xml(number, DAYS[number]).encode() if number in DAYS else b""
        if self.server.closed and content:
            content = b"<!DOCTYPE html>\n<html><body>We are closed today.</body></html>"
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002  # its name
        """Not into the test's output."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def bundestag(server: Server, *sessions: str, interval: float = 0.0, folder: Path | None = None) -> TextSource:
    config = PrepareConfig(
        preparer="bundestag_char", input=folder, sessions=list(sessions), url=server.url, request_interval=interval
    )
    source = find_preparer("bundestag_char")(config)
    assert not isinstance(source, ConversationFile)
    return source


def test_named_sessions_are_fetched_once_and_are_the_source(workspace: Path, server: Server) -> None:
    first = bundestag(server, "20/3", "20/1-2")
    assert [path for path, _ in server.asked] == [f"/btp/20/2000{number}.xml" for number in (3, 1, 2)]
    assert sorted(path.name for path in Path("data/bundestag_char/sessions").glob("*.xml")) == [
        "20001.xml",
        "20002.xml",
        "20003.xml",
    ]
    assert len(list(first.documents())) == 3
    assert "20/3, 20/1-2" in first.description
    bundestag(server, "20/1-3")
    assert len(server.asked) == 3


def test_only_the_named_ones_are_read_of_a_folder_with_more(workspace: Path, server: Server) -> None:
    folder = workspace / "protocols"
    bundestag(server, "20/1-3", folder=folder)
    assert len(list(bundestag(server, "20/2-3", folder=folder).documents())) == 2


def test_requests_keep_their_distance(workspace: Path, server: Server) -> None:
    bundestag(server, "20/1-3", interval=0.2)
    times = [moment for _, moment in server.asked]
    assert all(after - before > 0.15 for before, after in itertools.pairwise(times))


def test_what_came_before_a_failure_is_kept(workspace: Path, server: Server) -> None:
    with pytest.raises(DataError, match=r"20004\.xml: answered 404 Not Found; fetch it in another way and put it at"):
        bundestag(server, "20/3-4")
    bundestag(server, "20/3")
    assert [path for path, _ in server.asked] == ["/btp/20/20003.xml", "/btp/20/20004.xml"]


@pytest.mark.parametrize("session", ["20", "20/", "20-1", "0/1", "20/0", "20/3-1", "20/1000", "WP20/1", ""])
def test_what_names_no_session_is_refused(workspace: Path, server: Server, session: str) -> None:
    with pytest.raises(DataError, match=r"prepare\.sessions: '.*' names no session; write '20/1', or '20/1-7'"):
        bundestag(server, session)
    assert server.asked == []


def test_an_address_without_places_for_the_numbers_is_refused(workspace: Path, server: Server) -> None:
    server.url = "http://127.0.0.1/{term}.xml"
    with pytest.raises(DataError, match=r"prepare\.url: .* lacks \{session\}"):
        bundestag(server, "20/1")
    with pytest.raises(DataError, match=r"prepare\.sessions: needs prepare\.url"):
        find_preparer("bundestag_char")(PrepareConfig(sessions=["20/1"]))


def test_a_page_that_a_closed_server_sends_is_not_kept_as_a_protocol(server: Server, workspace: Path) -> None:
    server.closed = True
    with pytest.raises(DataError, match=r"20001\.xml: answered with a page for browsers, .*put it at got/20001\.xml$"):
        bundestag(server, "20/1", folder=Path("got"))
    assert [path.name for path in Path("got").iterdir() if not path.name.startswith(".")] == []
    server.closed = False
    assert len(list(bundestag(server, "20/1", folder=Path("got")).documents())) == 1


def test_sessions_that_are_there_need_no_network(
    server: Server, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundestag(server, "20/1")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    monkeypatch.setenv("SSL_CERT_FILE", "/nope.pem")
    assert len(list(bundestag(server, "20/1").documents())) == 1
