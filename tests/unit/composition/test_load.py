from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ml_playground.composition.directories import experiment_files
from ml_playground.composition.load import compose_experiment, load_experiment
from ml_playground.composition.snapshot import completed, settings, snapshot
from ml_playground.config import ExperimentConfig
from ml_playground.errors import ConfigError, UsageError
from ml_playground.models.config import GPTConfig, Qwen3Config
from ml_playground.training.config import Device, Dtype


def write(workspace: Path, name: str, text: str) -> None:
    folder = workspace / "conf" / "experiment"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", experiment_files())
def test_every_shipped_experiment_loads_and_has_a_description(name: str, workspace: Path) -> None:
    config = load_experiment(name)
    assert config.experiment == name
    assert config.description
    assert config.train.runtime.out_dir == Path("outputs") / name
    assert config.prepare.preparer


def test_exp_config_stands_in_place_of_the_experiments_file_and_may_inherit_it(workspace: Path) -> None:
    config = load_experiment("bundestag_char", Path("tiny.toml"))
    assert config.experiment == "bundestag_char"
    assert config.prepare.preparer == "bundestag_char"
    assert config.train.model.args(1)["n_embd"] == 16
    assert config.train.runtime.device is Device.cpu
    assert config.train.schedule.lr_decay_iters == config.train.runtime.max_iters == 12
    assert config.sample.runtime.dtype is Dtype.float32
    assert config.sample.runtime.out_dir == Path("outputs/tiny")


def test_exp_config_without_parents_inherits_only_the_shared_defaults(workspace: Path) -> None:
    text = (workspace / "tiny.toml").read_text(encoding="utf-8").replace('defaults = ["bundestag_char"]', "")
    (workspace / "alone.toml").write_text(text, encoding="utf-8")
    config = load_experiment("anything", workspace / "alone.toml")
    assert config.experiment == config.prepare.preparer == "anything"
    assert config.description == ""


def test_own_values_win_over_parents_and_later_parents_over_earlier_ones(workspace: Path) -> None:
    folder = workspace / "conf" / "experiment"
    folder.mkdir(parents=True)
    base = (workspace / "tiny.toml").read_text(encoding="utf-8")
    (folder / "one.toml").write_text(base, encoding="utf-8")
    (folder / "two.toml").write_text("[train.optim]\nlearning_rate = 0.5\nbeta1 = 0.5\n", encoding="utf-8")
    (folder / "child.toml").write_text(
        'defaults = ["one", "two"]\n[train.optim]\nbeta1 = 0.25\n[train.model]\nn_embd = 32\n', encoding="utf-8"
    )
    config = load_experiment("child")
    assert (config.train.optim.learning_rate, config.train.optim.beta1) == (0.5, 0.25)
    assert [config.train.model.args(1)[name] for name in ("n_embd", "n_head")] == [32, 2]


def test_a_file_in_the_working_directory_hides_a_shipped_one(workspace: Path) -> None:
    folder = workspace / "conf" / "experiment"
    folder.mkdir(parents=True)
    text = (workspace / "tiny.toml").read_text(encoding="utf-8").replace('defaults = ["bundestag_char"]', "")
    (folder / "bundestag_char.toml").write_text(text, encoding="utf-8")
    assert load_experiment("bundestag_char").train.model.args(1)["n_embd"] == 16


def test_none_unsets_an_inherited_value(workspace: Path) -> None:
    (workspace / "x.toml").write_text(
        'defaults = ["bundestag_char"]\n[prepare]\ninput = "${none:}"\n', encoding="utf-8"
    )
    assert load_experiment("bundestag_char", Path("x.toml")).prepare.input is None


def test_an_interpolation_takes_another_settings_value(workspace: Path) -> None:
    text = 'defaults = ["bundestag_char"]\n[train.schedule]\nwarmup_iters = "${train.data.block_size}"\n'
    (workspace / "x.toml").write_text(text, encoding="utf-8")
    config = load_experiment("bundestag_char", Path("x.toml"))
    assert config.train.schedule.warmup_iters == config.train.data.block_size


def test_an_integer_is_a_float_where_a_float_is_wanted(workspace: Path) -> None:
    (workspace / "x.toml").write_text('defaults = ["bundestag_char"]\n[train.optim]\ngrad_clip = 1\n', encoding="utf-8")
    assert load_experiment("bundestag_char", Path("x.toml")).train.optim.grad_clip == 1.0


def test_the_snapshot_loads_as_the_same_config(workspace: Path) -> None:
    config = load_experiment("bundestag_char", Path("tiny.toml"))
    (workspace / "again.toml").write_text(snapshot(config), encoding="utf-8")
    assert load_experiment("bundestag_char", Path("again.toml")) == config


def test_settings_have_dotted_keys_and_plain_values(workspace: Path) -> None:
    flat = settings(load_experiment("bundestag_char", Path("tiny.toml")))
    assert flat["train.optim.beta1"] == 0.9
    assert flat["train.runtime.device"] == "cpu"
    assert all(isinstance(value, (str, int, float, bool, list)) for value in flat.values())


def test_an_unknown_experiment_is_named_with_the_nearest_one(workspace: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown experiment 'bundestag_chat'; did you mean 'bundestag_char'\?"):
        load_experiment("bundestag_chat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("property")


@examples(max_examples=40)  # each composes anew
@given(
    batch_size=st.integers(-3, 10**9),
    learning_rate=st.floats(allow_nan=True, allow_infinity=True),
    start=st.text(st.characters(codec="utf-8", exclude_characters="$")),
)
def test_any_value_is_taken_as_it_is_or_refused_with_its_key(
    folder: Path, batch_size: int, learning_rate: float, start: str
) -> None:
    config = _with(folder, batch_size, learning_rate, start)
    if isinstance(config, ConfigError):
        assert "train.data.batch_size" in str(config) or "train.optim.learning_rate" in str(config)
        assert batch_size < 1 or not 1e-4 <= learning_rate < float("inf")
    else:
        assert (config.train.data.batch_size, config.sample.sample.start) == (batch_size, start)
        assert config.train.optim.learning_rate == learning_rate


def _with(folder: Path, batch_size: int, learning_rate: float, start: str) -> ExperimentConfig | ConfigError:
    import tomli_w

    table = {
        "defaults": ["bundestag_char"],
        "train": {
            "data": {"batch_size": batch_size},
            "optim": {"learning_rate": learning_rate},
            "schedule": {"min_lr": 1e-4},
        },
        "sample": {"sample": {"start": start}},
    }
    (folder / "x.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    try:
        return load_experiment("bundestag_char", folder / "x.toml")
    except ConfigError as error:
        return error


def test_a_file_that_names_another_family_inherits_what_both_have(workspace: Path) -> None:
    tables = "[train.model]\nfamily = 'gpt'\nbias = true\nn_layer = 3\n"
    write(workspace, "parent", "defaults = ['bundestag_char']\n" + tables)
    write(workspace, "child", "defaults = ['parent']\n[train.model]\nfamily = 'qwen3'\nn_kv_head = 1\n")
    model = load_experiment("child").train.model
    assert isinstance(model, Qwen3Config)
    assert (model.n_layer, model.n_kv_head) == (3, 1)
    assert isinstance(load_experiment("parent").train.model, GPTConfig)


def test_snapshots_of_version_0_1_have_the_settings_of_all_families(workspace: Path) -> None:
    write(workspace, "old", "defaults = ['bundestag_char']\n[train.model]\nfamily = 'qwen3'\nbias = false\n")
    assert isinstance(load_experiment("old").train.model, Qwen3Config)


def test_an_unknown_family_is_named_with_the_nearest_one(workspace: Path) -> None:
    write(workspace, "x", "defaults = ['bundestag_char']\n[train.model]\nfamily = 'qwen'\n")
    with pytest.raises(ConfigError, match=r"x\.toml:3: train\.model\.family: no model family .*did you mean 'qwen3'"):
        load_experiment("x")


def test_settings_that_an_earlier_version_did_not_know_have_their_defaults() -> None:
    config = load_experiment("bundestag_char")
    now = settings(config)
    before = {key: value for key, value in now.items() if key != "train.model.norm_eps"}
    assert completed(before, config)["train.model.norm_eps"] == now["train.model.norm_eps"]
    assert completed({**before, "train.model.norm_eps": 1.0}, config)["train.model.norm_eps"] == 1.0


def test_another_family_can_be_tried_in_a_composition() -> None:
    composition = compose_experiment("shakespeare").replace({"train.model.family": "qwen3", "train.model.n_layer": 7})
    model = composition.resolve().train.model
    assert isinstance(model, Qwen3Config)
    assert (model.n_layer, model.n_head, model.block_size) == (7, 4, 64)
