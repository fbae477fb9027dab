"""Ollama, and other programs that make GGUF files."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

import ml_playground as mlp
from ml_playground.errors import RunError
from ml_playground.exporting.config import Quant
from ml_playground.exporting.export import export
from ml_playground.exporting.llama_cpp import llama_cpp
from ml_playground.runs.train import train
from tests.conftest import ROOT
from tests.integration.conftest import Tiny

OLLAMA = Path("outputs/tiny/export/ollama")
GGUF = Path("outputs/tiny/export/gguf")
CONVERTER = f"""\
#!{sys.executable}
import pathlib, shutil, sys
folder, *options = sys.argv[1:]
settings = dict(zip(options[::2], options[1::2]))
assert pathlib.Path(folder, "model.safetensors").exists()
print("converting with", settings["--outtype"])
shutil.copy("reference.gguf", settings["--outfile"])
"""
QUANTIZER = f"""\
#!{sys.executable}
import shutil, sys
source, target, kind = sys.argv[1:]
assert kind == "Q4_0", kind
shutil.copy(source, target)
"""
FAILING = "import sys\nprint('loading')\nprint('Model GPTX is not supported', file=sys.stderr)\nsys.exit(3)\n"


@pytest.fixture
def config(tiny: Tiny) -> mlp.ExperimentConfig:
    config = tiny(sample={"sample": {"temperature": 0.5, "stop": ["\n\n", 'a"b']}})
    train(config)
    return config


def program(name: str, text: str) -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_modelfile_has_the_settings_of_the_experiment(
    config: mlp.ExperimentConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    ollama = config.export.ollama
    ollama.template, ollama.system = "{{ .System }}\n{{ .Prompt }}", "Du bist ein Redner."
    assert export(config, "ollama") == OLLAMA
    assert (OLLAMA / "Modelfile").read_text(encoding="utf-8").splitlines() == [
        "FROM ./bundestag_char-f16.gguf", 'TEMPLATE """{{ .System }}', '{{ .Prompt }}"""',
        'SYSTEM """Du bist ein Redner."""', "PARAMETER num_ctx 16", "PARAMETER num_predict 40",
        "PARAMETER temperature 0.5", "PARAMETER top_k 0", "PARAMETER top_p 1.0", "PARAMETER min_p 0.0",
        "PARAMETER repeat_penalty 1.0", "PARAMETER repeat_last_n -1", 'PARAMETER stop """', "", '"""',
        'PARAMETER stop """a"b"""',
    ]  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    assert "to add it to Ollama: ollama create bundestag_char -f outputs/tiny/export/ollama/Modelfile" in lines
    assert lines[-1].startswith("exported: outputs/tiny/export/ollama; ")
    record = json.loads((OLLAMA / "export.json").read_text(encoding="utf-8"))
    assert record["target"] == "ollama"
    assert set(record["files"]) == {"README.md", "Modelfile", "experiment.toml", "bundestag_char-f16.gguf"}


def test_ollama_is_called_where_it_is_installed(
    config: mlp.ExperimentConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program("ollama", f"#!{sys.executable}\nimport sys\nopen('called', 'w').write(' '.join(sys.argv[1:]))\n")
    monkeypatch.setenv("PATH", str(Path.cwd()), prepend=":")
    config.export.ollama.model_name = "mine/bundestag:v1"
    export(config, "ollama")
    assert Path("called").read_text() == "create mine/bundestag:v1 -f outputs/tiny/export/ollama/Modelfile"
    assert "added to Ollama: ollama run mine/bundestag:v1" in capsys.readouterr().err
    assert (OLLAMA / "mine-bundestag-v1-f16.gguf").exists()
    program("ollama", f"#!{sys.executable}\nimport sys\nsys.exit('Error: could not connect')\n")
    with pytest.raises(RunError, match=r"ollama create failed: Error: could not connect; the files are in .*ollama"):
        export(config, "ollama")


def test_a_loop_ends_with_an_export_where_it_is_enabled(tiny: Tiny) -> None:
    from ml_playground.commands.loop import loop

    loop(tiny(export={"ollama": {"enabled": True, "export_dir": "models", "quant": "q8_0"}}))
    assert Path("models/bundestag_char-q8_0.gguf").exists()
    assert not OLLAMA.exists()


@pytest.mark.parametrize("name", ["convert.py", "convert"])
def test_a_converter_and_a_quantizer_are_called(
    config: mlp.ExperimentConfig, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    export(config, "gguf")
    shutil.copy(GGUF / "bundestag_char-f16.gguf", "reference.gguf")
    ollama = config.export.ollama
    ollama.convert_bin, ollama.quant_bin = program(name, CONVERTER), program("quantize", QUANTIZER)
    ollama.quant = Quant.q4_0
    export(config, "gguf")
    assert {path.name for path in GGUF.glob("*.gguf")} == {"bundestag_char-q4_0.gguf"}
    output = capsys.readouterr().err
    assert f"running: {name} outputs/tiny/export/hf --outfile " in output
    assert "--outtype f16" in output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (FAILING, r"convert\.py: failed with exit code 3: Model GPTX is not supported"),
        ("print('done')\n", r"convert\.py: has not written its file: done"),
        ("this is no program", r"convert\.py: failed with exit code 1: SyntaxError"),
        ((ROOT / "tools/llama_cpp/convert-hf-to-gguf.py").read_text(encoding="utf-8"), r"exit code 1: .*convert_bin"),
    ],
    ids=["failing", "writes nothing", "no program", "the placeholder"],
)
def test_a_converter_that_fails_is_shown(
    config: mlp.ExperimentConfig, text: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config.export.ollama.convert_bin = program("convert.py", text)
    with pytest.raises(RunError, match=problem):
        export(config, "gguf")
    assert {path.name for path in GGUF.parent.iterdir() if not path.name.startswith(".")} == {"hf"}
    if text == FAILING:
        assert "\n  loading\n  Model GPTX" in capsys.readouterr().err


def test_a_file_that_is_no_program_is_refused(config: mlp.ExperimentConfig) -> None:
    config.export.ollama.convert_bin = program("convert", "this is no program")
    with pytest.raises(RunError, match="convert: cannot be run: Exec format error"):
        export(config, "gguf")
    Path("convert").chmod(0o644)
    with pytest.raises(mlp.UserError, match="convert_bin: convert is not executable; run chmod"):
        export(config, "gguf")
    config.export.ollama.convert_bin = Path("missing.py")
    with pytest.raises(mlp.UserError, match=r"export\.ollama\.convert_bin: missing\.py does not exist"):
        export(config, "ollama")


def test_a_converted_file_that_computes_something_else_is_rejected(tiny: Tiny, config: mlp.ExperimentConfig) -> None:
    if llama_cpp() is None:
        pytest.skip("needs the extra 'verify'")
    export(config, "gguf")
    shutil.copy(GGUF / "bundestag_char-f16.gguf", "reference.gguf")
    other = tiny(train={"optim": {"learning_rate": 0.02}, "runtime": {"out_dir": "outputs/other"}})
    train(other)
    other.export.ollama.convert_bin = program("convert.py", CONVERTER)
    with pytest.raises(RunError, match=r"outputs/other/export/gguf: not exported: .*; the files are in .*\.rejected"):
        export(other, "gguf")
    folder = Path("outputs/other/export")
    assert not (folder / "gguf").exists()
    assert (folder / "gguf.rejected" / "bundestag_char-f16.gguf").exists()
