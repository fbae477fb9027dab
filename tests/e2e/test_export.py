"""``mlp export`` as users call it: mistakes, kills, and what is left then."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Invoke, start

EXPORT = Path("outputs/tiny/export")


def edit(tiny: Path, text: str) -> None:
    path = tiny / "conf" / "experiment" / "tiny.toml"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[export.ollama]\nquant = "q9"', "export.ollama.quant: the string \"q9\" is not a choice; "),
        ('[export.ollama]\nquant = "q4_k_m"', "quant = 'q4_k_m' needs export.ollama.quant_bin = the path of llama.cpp"),
        ('[export.ollama]\nmodel_name = "Mein Modell"', "'Mein Modell' is not a name for Ollama; use lower-case"),
        ('[export.ollama]\nsystem = "Hallo"', "has no effect: export.ollama.template does not contain {{ .System }}"),
        ("[export.ollama]\ntemplate = '\"\"\"'", 'contains """, which ends a text in a Modelfile'),
        ('[export.ollama]\nconvert_bin = "nowhere.py"', "convert_bin: nowhere.py does not exist; name the program"),
        ('[export]\nfinetuned = "both"', "export.finetuned: the string \"both\" is not a choice"),
        ('[export]\nexport_dirr = "x"', "export.export_dirr: unknown key; did you mean 'export_dir'?"),
        ('[sample.runtime]\ncheckpoint = "nowhere.pt"', "nowhere.pt does not exist; name a checkpoint file"),
        ("", "outputs/tiny: no checkpoint here; train first"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(invoke: Invoke, tiny: Path, text: str, problem: str) -> None:
    edit(tiny, text)
    result = invoke("mlp", "export", "tiny", "--to", "gguf")
    assert result.code == 2
    assert problem in result.err.splitlines()[-1]
    assert not EXPORT.exists() or not [path for path in EXPORT.iterdir() if not path.name.startswith(".")]


def test_the_format_is_named(invoke: Invoke, tiny: Path) -> None:
    assert "the following arguments are required: --to" in invoke("mlp", "export", "tiny").err
    assert "invalid choice: 'onnx'" in invoke("mlp", "export", "tiny", "--to", "onnx").err
    result = invoke("mlp", "export", "--help")
    assert result.code == 0
    assert "mlp export bundestag_char --to ollama" in result.out


def test_somebody_elses_files_are_refused(invoke: Invoke, tiny: Path) -> None:
    assert invoke("mlp", "train", "tiny").code == 0
    (EXPORT / "hf").mkdir(parents=True)
    (EXPORT / "hf" / "thesis.txt").write_text("mine")
    result = invoke("mlp", "export", "tiny", "--to", "hf")
    assert result.code == 2
    assert "hf/thesis.txt: was not written by an export; move it away" in result.err
    assert [path.name for path in (EXPORT / "hf").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_export_leaves_no_half_folder(invoke: Invoke, tiny: Path, signum: signal.Signals) -> None:
    """The earlier export, or the new one, is there whole; the next export works."""
    assert invoke("mlp", "train", "tiny").code == 0
    assert invoke("mlp", "export", "tiny", "--to", "hf").code == 0
    whole = {path.name for path in (EXPORT / "hf").iterdir()}
    for _ in range(2):
        process = start(tiny, "cli", "export", "tiny", "--to", "hf")
        while process.poll() is None and not (EXPORT / ".hf.partial").exists():
            time.sleep(0.01)
        time.sleep(random.uniform(0, 1))
        process.send_signal(signum)
        process.communicate()
        assert process.returncode in (0, 128 + signum, -signum)
        assert {path.name for path in (EXPORT / "hf").iterdir()} == whole
        if signum is signal.SIGTERM:
            assert not (EXPORT / ".hf.partial").exists()
    assert invoke("mlp", "export", "tiny", "--to", "hf").code == 0
    assert {path.name for path in EXPORT.iterdir()} == {"hf", ".hf.lock"}


def test_a_moved_run_is_exported_without_its_text(invoke: Invoke, tiny: Path) -> None:
    assert invoke("mlp", "train", "tiny").code == 0
    (tiny / "input.txt").unlink()
    shutil.rmtree(tiny / "outputs" / "data")
    result = invoke("mlp", "export", "tiny", "--to", "hf")
    assert result.code == 0, result.err
    assert "note: verified on random tokens, because there is no validation text: " in result.err
    assert "The data was not available" in (EXPORT / "hf" / "README.md").read_text(encoding="utf-8")
