"""Every experiment that ships: prepared, trained and sampled through both commands, and with a user file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import Invoke
from tests.integration.finetuning import write_model
from tests.unit.experiments.bundestag.protocols import old_xml, protocol_xml

NAMES = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.toml"))
SHRUNK = """
defaults = ["{name}"]
[prepare]
preparer = "{preparer}"
input = "{input}"
[train.model]
{model}
[train.data]
batch_size = 2
block_size = 8
[train.schedule]
warmup_iters = 1
[train.runtime]
device = "cpu"
dtype = "float32"
max_iters = 3
eval_interval = 3
eval_iters = 1
[sample.sample]
max_new_tokens = 10
"""


@pytest.fixture
def local(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with what the experiments would fetch from the network."""
    cache = ROOT.parent / "shared" / "data" / "tiktoken-cache"
    if cache.is_dir():
        shutil.copytree(cache, workspace / "cache")  # a copy: tiktoken deletes files that it thinks are damaged
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(workspace / "cache"))
    return workspace


def shrink(name: str, source: str) -> str:
    shipped = (ROOT / "conf" / "experiment" / f"{name}.toml").read_text(encoding="utf-8")
    if 'encoding = "gpt2"' in shipped or name == "shakespeare_cpu":
        pytest.importorskip("tiktoken")
        if not Path("cache").is_dir():
            pytest.skip("needs GPT-2's vocabulary from ../shared/data, which is not here")
    model = "n_layer = 1\nn_head = 1\nn_embd = 8"
    if name.endswith("_lora"):
        model = 'path = "model"'
        write_model(Path("model"))
    return SHRUNK.format(name=name, preparer=preparer_of(name), input=source, model=model)


def preparer_of(name: str) -> str:
    return "bundestag_char" if name.endswith("_lora") else name.removesuffix("_cpu").removesuffix("_nanogpt")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_through_both_doors_and_with_a_file_of_its_own(invoke: Invoke, local: Path, name: str) -> None:
    text = shrink(name, "input.txt")
    (local / "my.toml").write_text(text, encoding="utf-8")
    for verb in ("prepare", "train", "sample", "loop"):
        result = invoke("mlp", verb, name, "--exp-config", "my.toml")
        assert result.code == 0, result.err
        if verb == "prepare":
            assert result.out.startswith("source  ")
        else:
            assert "characters/token" not in result.out
    folder = local / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    for arguments in (["mlp-run", "experiment=mine"], ["mlp", "loop", "mine"]):
        result = invoke(*arguments)
        assert result.code == 0, result.err
        assert len(list((local / "outputs" / "mine" / "samples").iterdir())) >= 1
    assert len(list((local / "outputs" / "data").glob(f"{preparer_of(name)}-*"))) == 1, "prepared once"


@pytest.mark.parametrize("tokenizer", ["char", "char_ngram", "bpe"])
def test_a_folder_of_protocols_is_trained_on_and_sampled(invoke: Invoke, local: Path, tokenizer: str) -> None:
    folder = local / "protocols"
    folder.mkdir()
    for number in range(1, 13):
        (folder / f"{number}.xml").write_text(protocol_xml(number, f"{number}.12.2021"), encoding="utf-8")
    (folder / "old.xml").write_text(old_xml(1, "22.10.2013"), encoding="utf-8")
    (folder / "bad.xml").write_text("<html/>", encoding="utf-8")
    settings = f'tokenizer = "{tokenizer}"\nvocab_size = 300\non_bad_file = "skip"\n[prepare.layout]\nparties = false\n'
    text = shrink("bundestag_char", "protocols").replace("[train.model]", f"{settings}[train.model]")
    (local / "my.toml").write_text(text, encoding="utf-8")
    result = invoke("mlp", "prepare", "bundestag_char", "--exp-config", "my.toml")
    assert result.code == 0, result.err
    assert "skipped: protocols/bad.xml: its root element is 'html'" in result.err
    assert "skipped 1 of 14 files" in result.err
    table, _ = result.out.split("\n\n", 1)  # then the first tokens
    rows = dict(line.split(maxsplit=1) for line in table.splitlines())
    assert rows["documents"].startswith("13 = 12 train + 1 val")
    assert rows["source"] == "protocols (14 files)"
    result = invoke("mlp", "loop", "bundestag_char", "--exp-config", "my.toml")
    assert result.code == 0, result.err
    assert "already prepared" in result.err
    assert "skipped" not in result.err, "nothing is read again"
