"""The built wheel, installed as a user would, works from any folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


def run(command: list[str | Path], folder: Path, environment: dict[str, str] | None = None) -> str:
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def uv() -> str:
    found = shutil.which("uv") or shutil.which(ROOT / ".uv" / "bin" / "uv")
    if found is None:
        pytest.skip("needs uv on the PATH or in .uv/")
    return found


@pytest.fixture(scope="module")
def wheel(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([uv, "build", "--wheel", "--out-dir", folder], ROOT)
    (path,) = folder.glob("*.whl")
    return path


def test_it_ships_experiments_sweeps_and_the_sample_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "conf/config.toml", "conf/experiment/bundestag_char.toml", "sweeps/batching.toml", "py.typed",
        "experiments/bundestag/sample_words.toml",
    ):  # fmt: skip
        assert f"ml_playground/{name}" in names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "outputs")) or "datasets" in name]


def test_the_installed_commands_work_from_another_folder(uv: str, wheel: Path, tmp_path: Path) -> None:
    # The locked versions, so that nothing is downloaded that the project's own environment does not have.
    export = [uv, "export", "--quiet", "--no-dev", "--no-emit-project", "--no-hashes", "--output-file"]
    run([*export, tmp_path / "locked.txt"], ROOT)
    tools = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    run([uv, "tool", "install", "--quiet", "--constraints", tmp_path / "locked.txt", wheel], tmp_path, tools)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    commands = tmp_path / "bin"
    listing = run([commands / "mlp-run"], elsewhere)
    assert re.search(r"^  bundestag_char +German plenary debates", listing, re.MULTILINE)
    (elsewhere / "short.toml").write_text(
        'defaults = ["bundestag_char"]\n[train.schedule]\nwarmup_iters = 1\n[train.runtime]\nmax_iters = 3\n',
        encoding="utf-8",
    )
    output = run([commands / "mlp", "loop", "bundestag_char", "--exp-config", "short.toml"], elsewhere)
    assert "finished: step 3" in output
    assert (elsewhere / "outputs" / "bundestag_char" / "ckpt_best.pt").exists()
