"""The public API as people use it: in a notebook, and from packages that add to the program."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

import ml_playground as mlp
from ml_playground.cli import run
from tests.conftest import ROOT
from tests.integration.conftest import Tiny, last
from tests.integration.sweeps import read_table, write_sweep

Install = Callable[[str, str, str], None]


def examples(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Install]:
    """A package as pip would install it: one module, named by an entry point."""
    installed: list[str] = []

    def one(group: str, module: str, source: str) -> None:
        site = tmp_path / "site"
        metadata = site / f"{module}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (site / f"{module}.py").write_text(source, encoding="utf-8")
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{module} = {module}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        installed.append(module)

    yield one
    for module in installed:
        sys.modules.pop(module, None)


def test_the_notebook_of_the_documentation_runs(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "conf" / "experiment").mkdir(parents=True)
    text = (workspace / "tiny.toml").read_text(encoding="utf-8")
    shipped = (ROOT / "conf" / "experiment" / "bundestag_char.toml").read_text(encoding="utf-8")
    (workspace / "conf" / "experiment" / "shipped.toml").write_text(shipped, encoding="utf-8")
    (workspace / "conf" / "experiment" / "bundestag_char.toml").write_text(
        text.replace('["bundestag_char"]', '["shipped"]'), encoding="utf-8"
    )
    exec(compile(examples("docs/api.md")[0], "docs/api.md", "exec"), {})  # noqa: S102  # our own page
    out = capsys.readouterr().out
    assert "5,976 tokens to train on, 36 in the vocabulary" in out
    assert re.search(r"^best validation loss 3\.\d\d nats per token at step \d+$", out, re.MULTILINE)
    assert out.count("Herr ") >= 2
    assert Path("outputs/notebook/ckpt_best.pt").exists()


def test_the_preparer_of_the_readme_is_found(tiny: Tiny, install: Install, workspace: Path) -> None:
    (source,) = examples("README.md")
    install("ml_playground.experiments", "readme_corpus", source)
    (workspace / "corpus.txt").write_text("Mein eigener Text. " * 40, encoding="utf-8")
    config = tiny(prepare={"preparer": "my_corpus", "input": "corpus.txt"})
    assert mlp.prepare(config).meta.characters == 19 * 40


def test_a_model_family_of_another_package_trains_resumes_and_samples(
    tiny: Tiny, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("ml_playground.models", "bigram_family", examples("docs/api.md")[1])
    model = {"family": "bigram", "width": 4}
    whole = tiny(train={"model": model, "runtime": {"out_dir": "outputs/whole"}})
    assert mlp.train(whole).step == 12
    mlp.train(tiny(train={"model": model, "runtime": {"out_dir": "outputs/halves", "max_iters": 8}}))
    halves = mlp.train(tiny(train={"model": model, "runtime": {"out_dir": "outputs/halves"}}))
    assert halves.step == 12
    one, other = (last(Path("outputs") / name).checkpoint["state"]["model"] for name in ("whole", "halves"))
    assert (
        {name: tensor.shape for name, tensor in one.items()}
        == {name: tensor.shape for name, tensor in other.items()}
        == {"embedding.weight": (36, 4), "output.weight": (36, 4)}
    )
    trained = mlp.load_trained(Path("outputs/whole"))
    assert type(trained.model).__name__ == "Bigram"
    (text,) = mlp.generate_text(trained, "Herr", mlp.SamplingConfig(max_new_tokens=30))
    assert text.startswith("Herr")
    assert len(text) == 34
    again = mlp.load_experiment("bundestag_char", Path("outputs/whole/config.toml"))
    assert again.train.model == whole.train.model
    with pytest.raises(mlp.UserError, match=r"train\.model\.width: must be an integer"):
        tiny(train={"model": {"family": "bigram", "width": "4"}})


class InlineWorker(mlp.Worker):
    """Has done its work before it is looked at."""

    @property
    def exit_code(self) -> int:
        return 0

    def stop(self) -> None:
        """It has."""

    def join(self) -> None:
        """There is nothing to wait for."""


ENGINE = """
import ml_playground as mlp
from tests.integration.test_public_api import InlineWorker

@mlp.register_engine("inline")
class Inline(mlp.Engine):
    def __init__(self, job):
        self._job = job

    def start(self):
        self._job.run()
        return InlineWorker()

    def wait(self, workers, seconds):
        pass

    def problem(self):
        return None
"""


def test_an_engine_of_another_package_runs_a_sweep(tiny: Tiny, install: Install, workspace: Path) -> None:
    install("ml_playground.engines", "inline_engine", ENGINE)
    write_sweep(workspace, n_trials=2, pruner="none", engine="inline")
    mlp.run_sweep(mlp.load_sweep("small", "bundestag_char", Path("tiny.toml")))
    assert [row["status"] for row in read_table(Path("outputs/sweeps/bundestag_char-small"))] == ["complete"] * 2


VERB = """
import ml_playground as mlp

def arguments(parser):
    parser.add_argument("name")

def run(options):
    print(f"Hello {options.name}")

mlp.register_verb("hello")(mlp.Verb("say hello", run, arguments))
"""


def test_a_verb_of_another_package_is_a_verb_of_mlp(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("ml_playground.verbs", "hello_verb", VERB)
    run(["hello", "world"])
    assert capsys.readouterr().out == "Hello world\n"
    with pytest.raises(SystemExit):
        run(["--help"])
    assert re.search(r"^ +hello +say hello$", capsys.readouterr().out, re.MULTILINE)


TOKENIZER = """
import numpy as np
import ml_playground as mlp

class Bytes:
    vocab_size = 257
    end_of_text = 256
    start_of_text = None
    state = {"kind": "bytes"}

    def encode(self, text):
        return np.frombuffer(text.encode() if isinstance(text, str) else text, np.uint8).astype(np.uint16)

    def cut(self, chunks):
        return iter(chunks)

    def decode(self, ids):
        return bytes(i for i in ids if i < 256).decode(errors="replace")

mlp.register_tokenizer("bytes")(mlp.TokenizerKind(train=lambda config, texts: Bytes(), load=lambda state: Bytes()))
"""


def test_a_tokenizer_of_another_package_prepares_and_samples(tiny: Tiny, install: Install) -> None:
    install("ml_playground.tokenizers", "bytes_tokenizer", TOKENIZER)
    config = tiny(prepare={"tokenizer": "bytes"})
    assert mlp.prepare(config).meta.vocab_size == 257
    mlp.train(config)
    (text,) = mlp.generate_text(mlp.load_trained(Path("outputs/tiny")), "Über", mlp.SamplingConfig(max_new_tokens=5))
    assert text.startswith("Über")


FROZEN = """
class FrozenBigram(Bigram):
    def __init__(self, args):
        super().__init__(args)
        self.embedding.requires_grad_(False)
        nn.init.constant_(self.embedding.weight, 0.5)  # as if pretrained

class FrozenFamily(BigramFamily):
    def create(self, args):
        return FrozenBigram(args)

mlp.register_model_family("frozen_bigram")(FrozenFamily())
"""


def test_frozen_weights_are_in_no_checkpoint_no_ema_and_no_optimizer(tiny: Tiny, install: Install) -> None:
    source = examples("docs/api.md")[1].replace('register_model_family("bigram")', 'register_model_family("base")')
    install("ml_playground.models", "frozen_family", source + FROZEN)
    model, optim = {"family": "frozen_bigram", "width": 4}, {"optimizer": "muon"}
    runtime = {"max_iters": 8, "ema_decay": 0.9, "out_dir": "outputs/frozen"}
    mlp.train(tiny(train={"model": model, "optim": optim, "runtime": runtime}))
    assert mlp.train(tiny(train={"model": model, "optim": optim, "runtime": {**runtime, "max_iters": 12}})).step == 12
    state = last(Path("outputs/frozen")).checkpoint["state"]
    assert set(state["model"]) == set(state["ema"]) == {"output.weight"}
    assert set(state["optimizer"]["exp_avg"]) | set(state["optimizer"]["momentum"]) == {"output.weight"}
    weights = mlp.load_trained(Path("outputs/frozen")).model.state_dict()
    assert (weights["embedding.weight"] == 0.5).all()
    assert (weights["output.weight"] == state["ema"]["output.weight"]).all()
