from __future__ import annotations

from pathlib import Path

import pytest

from ml_playground import cli
from ml_playground.errors import RunFolderError
from tests.unit.runs.folders import write_run


def test_a_folder_is_named_by_its_path_or_below_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(Path("outputs/x"))
    cli.run(["runs", "x", "--archive"])
    assert "1 runs in outputs/x are archived" in capsys.readouterr().err
    cli.run(["runs", "outputs/x", "--unarchive"])
    cli.run(["runs", "x"])
    assert "1 runs, " in capsys.readouterr().out
    with pytest.raises(RunFolderError, match=r"^xx: no such run; did you mean (outputs/)?x\?$"):
        cli.run(["runs", "xx"])
