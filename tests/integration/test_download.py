"""Against a real server on the loopback interface, which misbehaves in every way that servers do."""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_playground.errors import DataError
from ml_playground.text.download import Downloader, download
from tests.integration.web import (
    CONTENT,
    HALF,
    SHA256,
    Handler,
    Site,
    cut,
    drip,
    fail,
    hang,
    ignore_range,
    redirect,
    serve,
    wrong_range,
)

QUICK = (0.01, 0.02, 0.04)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    site.released.set()
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "input.txt"


def left_behind(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if not file.name.endswith(".lock"))


@pytest.mark.parametrize("sha256", [None, SHA256, SHA256.upper()])
def test_a_file_is_fetched_once(site: Site, path: Path, sha256: str | None) -> None:
    for _ in range(2):
        download(site.url, path, sha256)
        assert path.read_bytes() == CONTENT
    assert len(site.requests) == 1
    assert left_behind(path) == ["input.txt"]


def test_a_slow_server_is_waited_for(site: Site, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.script = [drip]
    download(site.url, path, SHA256, timeout=2)
    assert path.read_bytes() == CONTENT
    assert f"downloaded: {site.url} to {path}\n" in capsys.readouterr().err


def test_progress_is_plain_lines_where_there_is_no_terminal(
    site: Site, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_playground.terminal.progress._SECONDS_BETWEEN_LINES", 0)
    site.script = [drip]
    download(site.url, path, SHA256)
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"input\.txt: 0\.5 of 0\.5 MB, [\d.]+ MB/s", lines[-2])
    assert all("\x1b" not in line and "\r" not in line for line in lines)


def test_a_cut_connection_is_resumed(site: Site, path: Path) -> None:
    site.script = [cut]
    download(site.url, path, SHA256, pauses=QUICK)
    assert site.ranges() == [None, f"bytes={HALF}-"]
    assert site.requests[1][1]["If-Range"] == '"1"'
    assert path.read_bytes() == CONTENT
    assert left_behind(path) == ["input.txt"]


def test_a_server_that_falls_silent_is_resumed(site: Site, path: Path) -> None:
    site.script = [hang]
    download(site.url, path, None, pauses=QUICK, timeout=0.3)
    assert site.ranges() == [None, f"bytes={HALF}-"]
    assert path.read_bytes() == CONTENT


def test_without_etag_the_digest_vouches_for_both_halves(site: Site, path: Path) -> None:
    site.etag = None
    site.script = [cut]
    download(site.url, path, SHA256, pauses=QUICK)
    assert site.ranges() == [None, f"bytes={HALF}-"]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_without_anything_to_vouch_for_it_it_starts_again(site: Site, path: Path, etag: str | None) -> None:
    site.etag = etag
    site.script = [cut]
    download(site.url, path, None, pauses=QUICK)
    assert site.ranges() == [None, None]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", ['"1"', None])
def test_a_file_that_changed_in_between_is_fetched_whole(site: Site, path: Path, etag: str | None) -> None:
    new = CONTENT[::-1]

    def change(handler: Handler) -> None:
        cut(handler)
        site.content = new
        site.etag = etag and '"2"'

    site.etag = etag
    site.script = [change]
    download(site.url, path, hashlib.sha256(new).hexdigest(), pauses=QUICK)
    assert path.read_bytes() == new


def test_a_server_that_ignores_range_is_taken_from_the_start(site: Site, path: Path) -> None:
    site.script = [cut, ignore_range]
    download(site.url, path, SHA256, pauses=QUICK)
    assert site.ranges() == [None, f"bytes={HALF}-"]
    assert path.read_bytes() == CONTENT


def test_a_server_that_sends_another_range_is_asked_again(site: Site, path: Path) -> None:
    site.script = [cut, wrong_range]
    download(site.url, path, None, pauses=QUICK)
    assert site.ranges() == [None, f"bytes={HALF}-", None]
    assert path.read_bytes() == CONTENT


def test_a_whole_part_needs_only_its_name(site: Site, path: Path) -> None:
    site.script = [cut]
    with pytest.raises(DataError):
        download(site.url, path, SHA256, pauses=())
    path.with_name("input.txt.part").write_bytes(CONTENT)
    download(site.url, path, SHA256)
    assert site.ranges() == [None, f"bytes={len(CONTENT)}-"]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("origin", ["", "[]", '{"url": "http://elsewhere/file", "etag": "\\"1\\""}'])
def test_a_part_from_elsewhere_is_not_used(site: Site, path: Path, origin: str) -> None:
    path.parent.mkdir()
    path.with_name("input.txt.part").write_bytes(b"other")
    path.with_name("input.txt.part.json").write_text(origin, encoding="utf-8")
    download(site.url, path, SHA256)
    assert site.ranges() == [None]
    assert left_behind(path) == ["input.txt"]


def test_wrong_content_never_gets_the_name(site: Site, path: Path) -> None:
    with pytest.raises(DataError) as error:
        download(site.url, path, "0" * 64, pauses=QUICK)
    assert str(error.value) == (
        f"{site.url}: has other content than expected: SHA-256 {SHA256}, not {'0' * 64};"
        f" fetch it in another way and put it at {path}"
    )
    assert len(site.requests) == 1
    assert left_behind(path) == []


def test_a_file_with_another_digest_is_replaced(site: Site, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("an older version", encoding="utf-8")
    download(site.url, path, SHA256)
    assert path.read_bytes() == CONTENT


def test_what_is_missing_is_not_asked_for_again(site: Site, path: Path) -> None:
    site.script = [fail(404)]
    with pytest.raises(DataError, match=r"answered 404 Not Found; .* put it at /.*/input\.txt$") as error:
        download(site.url, path, SHA256, pauses=QUICK)
    assert str(error.value).startswith(f"{site.url}: ")
    assert len(site.requests) == 1
    assert left_behind(path) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(site: Site, path: Path, status: int) -> None:
    site.script = [fail(status), fail(status)]
    download(site.url, path, SHA256, pauses=QUICK)
    assert path.read_bytes() == CONTENT
    assert len(site.requests) == 3


def test_a_server_in_lasting_trouble_is_given_up(site: Site, path: Path) -> None:
    site.script = [fail(500)] * 9
    with pytest.raises(DataError, match=r"answered 500 Internal Server Error, 4 times; .* put it at"):
        download(site.url, path, SHA256, pauses=QUICK)
    assert len(site.requests) == 4


def test_redirects_are_followed(site: Site, path: Path) -> None:
    site.script = [redirect("/elsewhere"), redirect("/at/last")]
    download(site.url, path, SHA256)
    assert [where for where, _, _ in site.requests] == ["/file", "/elsewhere", "/at/last"]
    assert path.read_bytes() == CONTENT


def test_redirects_to_other_protocols_and_in_circles_are_refused(site: Site, path: Path) -> None:
    for to in ("ftp://127.0.0.1/file", "file:///etc/hostname", site.url):
        site.script = [redirect(to)] * 50
        with pytest.raises(DataError, match="put it at") as error:
            download(site.url, path, SHA256, pauses=QUICK)
        assert "\n" not in str(error.value)
    assert left_behind(path) == []


def test_a_refused_connection_is_tried_again_and_then_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as bound:  # nobody listens
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/file"
        with pytest.raises(DataError, match=r"Connection refused, 4 times; .* put it at /.*/input\.txt$") as error:
            download(url, path, SHA256, pauses=QUICK)
    assert str(error.value).startswith(f"{url}: ")
    assert capsys.readouterr().err.count("trying again in 0.0") == 3


@pytest.mark.parametrize(
    "url", ["ftp://host/file", "file:///etc/hostname", "/etc/hostname", "", "http://", "https://a\nb"]
)
def test_only_web_addresses_are_taken(path: Path, url: str) -> None:
    with pytest.raises(DataError, match=r"is not an http or https address; .* put it at") as error:
        download(url, path, None)
    assert "\n" not in str(error.value)
    assert not path.parent.exists()


@pytest.mark.parametrize("url", ["http:///file", "http://[/file", "http://host:port/file", "http://host/\x07"])
def test_broken_web_addresses_are_named(path: Path, url: str) -> None:
    with pytest.raises(DataError, match="put it at"):
        download(url, path, None, pauses=())


def test_a_place_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for path, problem in ((tmp_path / "file" / "x", "File exists"), (tmp_path / "folder", "Is a directory")):
        with pytest.raises(DataError, match=rf"cannot be saved \({problem}\); .* put it at"):
            download(site.url, path, None)


def test_a_killed_process_leaves_no_half_file_and_the_next_goes_on(site: Site, path: Path) -> None:
    site.script = [hang]
    program = "from ml_playground.text.download import *; import sys; download(sys.argv[1], Path(sys.argv[2]), None)"
    with subprocess.Popen([sys.executable, "-c", program, site.url, path]) as process:
        part = path.with_name("input.txt.part")
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert not path.exists()
    begun = part.stat().st_size
    assert 0 < begun <= HALF
    download(site.url, path, SHA256)
    assert site.ranges() == [None, f"bytes={begun}-"]
    assert path.read_bytes() == CONTENT
    assert left_behind(path) == ["input.txt"]


def test_two_that_start_together_fetch_once(site: Site, path: Path) -> None:
    site.script = [drip]
    threads = [threading.Thread(target=download, args=(site.url, path, SHA256)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == CONTENT
    assert len(site.requests) == 1


def test_many_files_are_fetched_at_a_polite_pace(site: Site, tmp_path: Path) -> None:
    site.script = [serve, redirect("/elsewhere")]
    started = time.monotonic()
    with Downloader(min_interval=0.1) as downloader:
        for number in range(3):
            downloader.fetch(f"{site.url}/{number}", tmp_path / f"{number}.txt", SHA256)
    times = [when - started for _, _, when in site.requests]
    assert len(times) == 4  # a redirect is a request too
    # Since the start, not since the one before: a busy server can be late to notice a request, but never early.
    assert all(when >= 0.1 * place for place, when in enumerate(times)), times


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080"),
        ("http_proxy", "no address at all"),
        ("NO_PROXY", "localhost,[::1]"),
        ("NO_PROXY", "localhost,fd00::/8"),
        ("SSL_CERT_FILE", "/nope.pem"),
    ],
)
def test_a_network_that_is_set_up_wrong_is_blamed_on_the_variable(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv(name, value)
    path = tmp_path / "file"
    with pytest.raises(DataError, match=rf"[^\n]*, with [^\n]*{name}[^\n]* set in the environment.*put it at {path}$"):
        download(site.url, path, SHA256, pauses=())


def test_somebody_elses_file_with_the_name_of_a_part_is_kept(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"file\.part is in the way"):
        download(site.url, tmp_path / "file", SHA256)
    assert (tmp_path / "file.part").read_bytes() == b"mine"
