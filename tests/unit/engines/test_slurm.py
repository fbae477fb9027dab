"""Jobs as sbatch gets them, with its programs replaced by scripts that record what they are asked."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from ml_playground.engines.base import Job
from ml_playground.engines.slurm import SlurmConfig, SlurmEngine
from ml_playground.errors import UserError


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the scripts; ``asked`` in it has their arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    answers = {
        "sbatch": f'cp "$1" {folder}/file; echo Submitted batch job 77',
        "scancel": "",
        "srun": "",
        "sacct": r"printf 'JobID|State|NodeList\n77|CANCELLED|\n'",
    }
    for name, answer in answers.items():
        script = f'#!/bin/sh\necho {name} "$@" >> {folder}/asked\n{answer}\n'
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    return folder


def engine(tmp_path: Path, config: SlurmConfig) -> SlurmEngine:
    return SlurmEngine(Job("time:sleep", (60,), 1, tmp_path / "my sweep", UserError, config))


def test_a_job_has_the_settings_of_the_file_and_is_cancelled_while_it_waits(tmp_path: Path, programs: Path) -> None:
    (tmp_path / "my sweep").mkdir()
    settings = SlurmConfig("gpu", "me", time=90, cpus=8, gpus=1, mem=12.5, options={"constraint": "a100 b"})
    started = engine(tmp_path, settings)
    worker = started.start()
    text = (programs / "file").read_text(encoding="utf-8")
    for option in (
        "partition=gpu", "account=me", "time=90", "cpus-per-task=8", "gpus-per-node=1", "mem=12800MB",
        "constraint='a100 b'", "job-name='my sweep'", "signal=USR2@90",
    ):  # fmt: skip
        assert f"#SBATCH --{option}\n" in text
    assert (tmp_path / "my sweep" / "slurm").stat().st_mode & 0o777 == 0o700
    worker.stop()
    assert "scancel 77" in (programs / "asked").read_text(encoding="utf-8")
    worker.join()
    assert worker.exit_code == -signal.SIGKILL
    assert started.problem() is None


def test_what_sbatch_refuses_is_one_line(tmp_path: Path, programs: Path) -> None:
    (tmp_path / "my sweep").mkdir()
    (programs / "sbatch").write_text(
        "#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n", encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"\ASlurm refuses the job: [^\n]*invalid partition[^\n]*\Z"):
        engine(tmp_path, SlurmConfig("nowhere")).start()


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no sbatch or srun; start the sweep on its login node"):
        engine(tmp_path, SlurmConfig())
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match=r"submitit is not installed; pip install 'ml-playground\[slurm\]'"):
        engine(tmp_path, SlurmConfig())
