# ruff: noqa: E501  # a table reads best with one row a line
"""A user's mistake in a file ends in one line that names file, line and key, and exit code 2."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Invoke

# The family gpt, with a warm-up.
HEAD = 'defaults = ["shakespeare_char_nanogpt"]\n'
FIELDS = "[train.model]\nn_layer=1\nn_head=1\nn_embd=1\n"

# (what stands below HEAD, the line it is blamed on, the key, a part of the problem)
MISTAKES: dict[str, tuple[str, int, str, str]] = {
    "typo in a key": ("[train.schedule]\nwarmup_iter = 1", 3, "train.schedule.warmup_iter", "did you mean 'warmup_iters'?"),
    "typo in a table": ("[train.optimm]\nbeta1 = 0.5", 2, "train.optimm", "did you mean 'optim'?"),
    "typo at the top": ("[trian.data]\nbatch_size = 1", 2, "trian", "did you mean 'train'?"),
    "key in the wrong table": ("[train.optim]\nbatch_size = 4", 3, "train.optim.batch_size", "it belongs in [train.data]"),
    "key outside its table": ("batch_size = 4", 2, "batch_size", "it belongs in [train.data]"),
    "key of two tables": ("[prepare]\nseed = 1", 3, "prepare.seed", "it belongs in [train.runtime] or [sample.runtime]"),
    "unheard-of key": ("[train.data]\nxyzzy = 1", 3, "train.data.xyzzy", "[train.data] has: batch_size, block_size"),
    "unheard-of table": ("[xyzzy]\na = 1", 2, "xyzzy", "the top level has: description, export, prepare, sample, train"),
    "string for an integer": ('[train.data]\nbatch_size = "5"', 3, "train.data.batch_size", "remove the quotes"),
    "string for a float": ('[train.optim]\nlearning_rate = "0.1"', 3, "train.optim.learning_rate", "remove the quotes"),
    "string for a boolean": ('[train.model]\nbias = "true"', 3, "train.model.bias", "must be a boolean, not the string"),
    "float for an integer": ("[train.data]\nblock_size = 64.0", 3, "train.data.block_size", "must be an integer"),
    "boolean for an integer": ("[train.data]\nblock_size = true", 3, "train.data.block_size", "not the boolean true"),
    "integer for a boolean": ("[train.model]\nbias = 1", 3, "train.model.bias", "must be a boolean, not the integer 1"),
    "integer for a string": ("[sample.sample]\nstart = 5", 3, "sample.sample.start", 'put it in "quotes"'),
    "integer for a path": ("[prepare]\ninput = 5", 3, "prepare.input", "must be a string"),
    "list for a number": ("[train.data]\nbatch_size = [4, 8]", 3, "train.data.batch_size", "not the array [4, 8]"),
    "table for a number": ("[train.data.batch_size]\na = 1", 2, "train.data.batch_size", "not the table"),
    "number for a table": ("[train]\ndata = 5", 3, "train.data", "must be a table; write [train.data]"),
    "date": ("[train.runtime]\nseed = 1979-05-27", 3, "train.runtime.seed", "not the date or time 1979-05-27"),
    "time": ("[train.runtime]\nout_dir = 07:32:00", 3, "train.runtime.out_dir", "not the date or time"),
    "unknown choice": ('[train.runtime]\ndevice = "gpu"', 3, "train.runtime.device", "did you mean 'cpu'?"),
    "choice of another kind": ("[train.runtime]\ndtype = 16", 3, "train.runtime.dtype", "one of auto, float32, bfloat16"),
    "zero": ("[train.data]\nbatch_size = 0", 3, "train.data.batch_size", "0 is out of range; must be >= 1"),
    "negative": ("[train.runtime]\nmax_iters = -5", 3, "train.runtime.max_iters", "must be >= 1"),
    "not positive": ("[train.optim]\nlearning_rate = 0.0", 3, "train.optim.learning_rate", "must be > 0"),
    "too much dropout": ("[train.model]\ndropout = 1.0", 3, "train.model.dropout", "must be < 1"),
    "more than all": ("[sample.sample]\ntop_p = 1.5", 3, "sample.sample.top_p", "must be <= 1"),
    "no penalty at all": ("[sample.sample]\nrepetition_penalty = 0.0", 3, "sample.sample.repetition_penalty", "must be > 0"),
    "a stop string alone": ('[sample.sample]\nstop = "."', 3, "sample.sample.stop", "must be an array, not the string"),
    "a stop number": ("[sample.sample]\nstop = [5]", 3, "sample.sample.stop", "has an element that must be a string"),
    "an empty stop string": ('[sample.sample]\nstop = ["."\n, ""]', 4, "sample.sample.stop", "would stop every sample at once"),
    "tokens of no characters": ("[prepare]\nngram = 0", 3, "prepare.ngram", "0 is out of range; must be >= 1"),
    "fewer tokens than bytes": ("[prepare]\nvocab_size = 256", 3, "prepare.vocab_size", "must be >= 257"),
    "unknown tokenizer": ('[prepare]\ntokenizer = "bpee"', 3, "prepare.tokenizer", "did you mean 'bpe'?"),
    "string for a list": ('[prepare]\nsessions = "20/1"', 3, "prepare.sessions", 'must be an array, not the string "20/1"'),
    "integer in a list of strings": ("[prepare]\nsessions = [20]", 3, "prepare.sessions", "must be a string, not the integer 20"),
    "unknown policy": ('[prepare]\non_bad_file = "ignore"', 3, "prepare.on_bad_file", "one of stop, skip"),
    "typo in a table of a table": ("[prepare.layout]\nspeaker = true", 3, "prepare.layout.speaker", "did you mean 'speakers'?"),
    "not a number": ("[train.optim]\nbeta1 = nan", 3, "train.optim.beta1", "use a finite one"),
    "infinite": ("[train.optim]\nlearning_rate = inf", 3, "train.optim.learning_rate", "use a finite one"),
    "window longer than the model's": (
        "[train.model]\nblock_size = 32\n[train.data]\nblock_size = 64", 5, "train.data.block_size",
        "block_size = 64 is longer than train.model.block_size = 32",
    ),
    "width no multiple of heads": ("[train.model]\nn_embd = 130", 3, "train.model.n_embd", "multiple of train.model.n_head"),
    "heads that do not share evenly": (
        '[train.model]\nfamily = "qwen3"\nn_kv_head = 3', 4, "train.model.n_kv_head", "n_kv_head = 3 must divide train.model.n_head = 4",
    ),
    "a head of odd width": (
        '[train.model]\nfamily = "qwen3"\nn_embd = 12', 4, "train.model.n_embd", "n_embd / train.model.n_head = 3 must be even",
    ),
    "a bias that the family lacks": (
        '[train.model]\nfamily = "qwen3"\nbias = true', 4, "train.model.bias", 'is read by family = "gpt" only; remove bias',
    ),
    "shared heads in gpt": ("[train.model]\nn_kv_head = 2", 3, "train.model.n_kv_head", 'is read by family = "qwen3" only'),
    "inner width in gpt": ("[train.model]\nn_inner = 64", 3, "train.model.n_inner", 'is read by family = "qwen3" only'),
    "unknown family": ('[train.model]\nfamily = "qwen2"', 3, "train.model.family", "did you mean 'qwen3'?"),
    "floor above peak": ("[train.schedule]\nmin_lr = 0.5", 3, "train.schedule.min_lr", "above train.optim.learning_rate"),
    "warm-up past the end": ("[train.runtime]\nmax_iters = 5", 3, "train.runtime.max_iters", "warmup_iters = 100 is above"),
    "interpolation of nothing": (
        '[train.data]\nbatch_size = "${train.data.nope}"', 3, "train.data.batch_size", "'train.data.nope' not found",
    ),
    "broken interpolation": ('[prepare]\ninput = "${"', 3, "prepare.input", "is not a valid interpolation"),
    "interpolation of another type": (
        '[train.data]\nbatch_size = "${train.runtime.out_dir}"', 3, "train.data.batch_size", "could not be converted",
    ),
    "unset but needed": ('[train.data]\nbatch_size = "${none:}"', 3, "train.data.batch_size", "Incompatible value 'None'"),
    "the experiment's name": ('experiment = "x"', 2, "experiment", "is the name given on the command line; remove it"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_line_names_file_line_and_key(invoke: Invoke, workspace: Path, mistake: str) -> None:
    text, line, key, problem = MISTAKES[mistake]
    (workspace / "my.toml").write_text(HEAD + text + "\n", encoding="utf-8")
    result = invoke("mlp", "train", "bundestag_char", "--exp-config", "my.toml")
    assert result.code == 2
    assert re.fullmatch(rf"my\.toml:{line}: {re.escape(key)}: [^\n]+\n", result.err), result.err
    assert problem in result.err
    assert result.out == ""
    assert {path.name for path in workspace.iterdir()} == {"input.txt", "tiny.toml", "my.toml"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAD + "[train.data\n", "my.toml:2: not valid TOML: "),
        (HEAD + "[train.data]\nbatch_size = \n", "my.toml:3: not valid TOML: "),
        (HEAD + "[prepare]\ninput = 'x\n", "my.toml:3: not valid TOML: "),
        (HEAD + "a = [1,\n", "my.toml:2: not valid TOML: "),
        (HEAD + "[train.data]\nbatch_size = 1\nbatch_size = 2\n", "my.toml:4: not valid TOML: "),
        ("defaults = 'bundestag_char'\n", "my.toml:1: defaults: must be a list of experiment names"),
        ("defaults = [1]\n", "my.toml:1: defaults: must be a list of experiment names"),
        ("defaults = ['bundestag_chat']\n", "my.toml:1: defaults: unknown experiment 'bundestag_chat'; did you mean"),
        ("description = 'no tables'\n", "my.toml: train.model.n_layer: missing; add 'n_layer = ...' to [train.model]"),
        (FIELDS, "my.toml: train.data.batch_size: missing; add"),
        ("", "my.toml: train.model.n_layer: missing"),
    ],
)
def test_files_that_are_no_experiment(invoke: Invoke, workspace: Path, text: str, line: str) -> None:
    (workspace / "my.toml").write_text(text, encoding="utf-8")
    result = invoke("mlp", "train", "bundestag_char", "--exp-config", "my.toml")
    assert result.code == 2
    assert result.err.startswith(line), result.err
    assert result.err.count("\n") == 1


def test_files_that_cannot_be_read(invoke: Invoke, workspace: Path) -> None:
    (workspace / "my.toml").write_bytes("start = 'Größe'".encode("cp1252"))
    (workspace / "folder.toml").mkdir()
    for name, problem in {
        "my.toml": "my.toml: not UTF-8 (byte 11); save the file as UTF-8\n",
        "missing.toml": "missing.toml: cannot be read: No such file or directory\n",
        "folder.toml": "folder.toml: cannot be read: Is a directory\n",
    }.items():
        result = invoke("mlp", "prepare", "bundestag_char", "--exp-config", name)
        assert (result.code, result.err) == (2, problem)


def test_an_experiment_that_inherits_itself(invoke: Invoke, workspace: Path) -> None:
    folder = workspace / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "a.toml").write_text('defaults = ["b"]\n', encoding="utf-8")
    (folder / "b.toml").write_text('\ndefaults = ["a"]\n', encoding="utf-8")
    result = invoke("mlp-run", "experiment=a")
    assert (result.code, result.err) == (2, "conf/experiment/b.toml:2: defaults: 'a' inherits itself; remove it\n")


def test_a_mistake_in_an_inherited_file_is_blamed_on_that_file(invoke: Invoke, workspace: Path) -> None:
    folder = workspace / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "parent.toml").write_text("[train.data]\nbatch_sizes = 4\n", encoding="utf-8")
    (folder / "child.toml").write_text('defaults = ["parent"]\n', encoding="utf-8")
    result = invoke("mlp-run", "experiment=child")
    assert result.code == 2
    assert result.err.startswith("conf/experiment/parent.toml:2: train.data.batch_sizes: unknown key; did you mean")
