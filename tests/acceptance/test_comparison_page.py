"""The page of ``mlp compare --html`` in a real browser."""

from __future__ import annotations

import html
import json
import math
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ml_playground import cli
from ml_playground.errors import UsageError
from ml_playground.runs.notes import add_note, references
from tests.unit.runs.folders import write_run

WATCH = """<script>
window.problems = [];
window.addEventListener("error", (event) => window.problems.push(event.message));
document.addEventListener("securitypolicyviolation", (event) => window.problems.push(event.violatedDirective));
console.error = console.warn = (text) => window.problems.push(String(text));
</script>"""
USE = (Path(__file__).parent / "use_page.js").read_text(encoding="utf-8")


NAMED = Path("outputs/<script><img src=x onerror=alert(1)>")


def used(chromium: str, page: Path, folder: Path) -> dict[str, Any]:
    """What a script finds that uses the page like a person."""
    text = page.read_text(encoding="utf-8")
    watched = folder / "watched.html"
    text = text.replace("<head>", f"<head>{WATCH}").replace("</body>", f"<script>{USE}</script></body>")
    watched.write_text(text, encoding="utf-8")
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,900", "--dump-dom", watched.resolve().as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    found = re.search(r'<pre id="result">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    return json.loads(html.unescape(found[1]))  # type: ignore[no-any-return]  # of the script above


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed, best in enumerate([2.5, 2.6, 2.7], start=1):
        write_run(Path(f"outputs/wide/seed-{seed}"), [3.5, 3.0, best], seed=seed)
    write_run(NAMED, [3.5, 2.9, 2.8, 2.7], settings={"train.optim.learning_rate": 0.1})
    add_note(Path("outputs/wide/seed-2"), "</script><b>bold</b> ${x} {y}")
    cli.run(["compare", "wide", str(NAMED), "--html", "page.html"])
    return tmp_path


def test_curves_are_drawn_and_can_be_explored(folder: Path, chromium: str) -> None:
    result = used(chromium, folder / "page.html", folder)
    assert result["problems"] == []
    assert result["requests"] == []
    assert result["painted"]["count"] > 3000
    assert result["painted"]["colors"] >= 3
    assert result["tip"]["visible"] == "visible"
    assert result["tip"]["text"][0] == "917 tokens"
    assert result["tip"]["text"][1:] == ["outputs/wide2.8267", f"{NAMED}2.8567"]
    assert (result["zoomed"], result["reset"], result["smoothed"], result["train"]) == (True, True, True, 2)
    assert result["after_hiding"] == 1
    assert result["across"] == {"tokens": [0, 1920], "step": [0, 30], "seconds": [0, 0.3], "flops": [0, 1.92e9]}
    wide, single = result["values"]
    assert (wide["xs"], wide["ys"]) == ([0, 10, 20], pytest.approx([3.5, 3.0, 2.6]))
    assert wide["deviations"] == pytest.approx([0, 0, 0.1])
    assert (single["ys"], single["deviations"]) == ([3.5, 2.9, 2.8, 2.7], None)


def test_names_and_notes_cannot_inject_markup(folder: Path) -> None:
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert "&lt;/script&gt;&lt;b&gt;bold&lt;/b&gt; ${x} {y}" in text
    assert text.count("</script>") == 2
    assert not re.search(r"<[^>]+(src|href)=(?!\"data:,)|url\(|@import|fetch\(|XMLHttp", text)


def test_a_page_refers_to_its_runs_and_replaces_pages_only(folder: Path) -> None:
    assert references(Path("outputs/wide/seed-1")) == [folder / "page.html"]
    cli.run(["compare", "wide/seed-1", "wide/seed-2", "--html", "page.html"])
    Path("mine.html").write_text("<html>mine</html>")
    with pytest.raises(UsageError, match=r"mine\.html: exists and is not a comparison's page"):
        cli.run(["compare", "wide/seed-1", "wide/seed-2", "--html", "mine.html"])
    assert Path("mine.html").read_text() == "<html>mine</html>"
    with pytest.raises(UsageError, match=r"nowhere/page\.html: cannot be written: No such file"):
        cli.run(["compare", "wide/seed-1", "wide/seed-2", "--html", "nowhere/page.html"])


def test_a_hundred_runs_are_drawn_in_a_small_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: str
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"run{number:03d}" for number in range(100)]
    for number, name in enumerate(names):
        losses = [2 + math.exp(-step / 100) + number / 1000 for step in range(500)]
        write_run(Path("outputs") / name, losses)
    cli.run(["compare", *names, "--html", "page.html"])
    assert Path("page.html").stat().st_size < 3_000_000
    result = used(chromium, Path("page.html"), tmp_path)
    assert (result["problems"], result["after_hiding"]) == ([], 99)
    assert len(result["tip"]["text"]) == 11, "the ten nearest"
