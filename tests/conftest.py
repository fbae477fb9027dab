"""Markers per folder, and the fixtures that all folders share."""

from __future__ import annotations

import os

# Tests run in parallel processes: one thread each, or they wait for one another. Before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

from pathlib import Path

import hypothesis
import pytest

from tests.workspace import fill_workspace

# Tests share their cores: how long an example takes says nothing.
hypothesis.settings.register_profile("shared cores", deadline=None)
hypothesis.settings.load_profile("shared cores")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(item.path.relative_to(ROOT / "tests").parts[0])


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a small text, and an experiment file that trains on it in a second."""
    monkeypatch.chdir(tmp_path)
    fill_workspace(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data."""
    if not SHARED.is_dir():
        pytest.skip("needs the real data in ../shared/data, which is not here")
    return SHARED
