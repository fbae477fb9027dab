"""Whatever a sweep file says of its space: a point that can be drawn and kept, or one line that names the key."""

from __future__ import annotations

import contextlib
import re
import tomllib
from pathlib import Path
from typing import cast

import optuna
import tomli_w
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from ml_playground.composition.documents import Document
from ml_playground.composition.load import compose_experiment
from ml_playground.composition.tables import read_table
from ml_playground.errors import ConfigError
from ml_playground.ranges import SettingError
from ml_playground.sweeping.budget import plan_budget
from ml_playground.sweeping.config import SweepConfig
from ml_playground.sweeping.leaves import Choices, Range
from ml_playground.sweeping.space import Space, read_space

COMPOSITION = compose_experiment("bundestag_char")
BASE = COMPOSITION.resolve()
optuna.logging.set_verbosity(optuna.logging.ERROR)
TYPES = COMPOSITION.schema.types()
NUMERIC = sorted(key for key, kind in TYPES.items() if kind is int or kind is float)

SCALARS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([-1, 0, 1, 2, 8, 2**31, 2**53 + 1, 10**30]),
    st.floats(),
    st.sampled_from([0.0, -0.0, 1e-320, 1e-5, 0.1, 0.5, 1.0, 1e308]),
    st.booleans(),
    st.text(max_size=5),
    st.sampled_from(["cpu", "gpt", "auto", "${train.data.batch_size}", "???", "${", "random"]),
    st.dates(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NUMBERS = st.one_of(
    st.integers(0, 64),
    st.floats(0, 1),
    st.sampled_from([0, 0.0, -1, 1e-320, 1e-9, 0.25, 1e308, 2**53, 2**53 + 1, 2**62, float("inf"), float("nan")]),
)
RANGES = st.fixed_dictionaries(
    {"low": NUMBERS | SCALARS, "high": NUMBERS | SCALARS}, optional={"step": NUMBERS | SCALARS, "log": SCALARS}
)
LEAVES = RANGES | st.fixed_dictionaries({"low": NUMBERS, "high": NUMBERS}) | st.lists(NUMBERS, max_size=3) | VALUES
KEYS = st.sampled_from(sorted(TYPES)) | st.sampled_from(NUMERIC) | st.text(min_size=1, max_size=8)


def plausible(key: str) -> st.SearchStrategy[tuple[str, object]]:
    """A leaf that has a good chance to be accepted."""
    numbers = st.integers(1, 64) if TYPES[key] is int else st.floats(0.01, 0.99)
    pairs = st.tuples(numbers, numbers, st.booleans()).map(
        lambda drawn: {"low": min(drawn[:2]), "high": max(drawn[:2]), "log": drawn[2]}
    )
    steps = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)).map(
        lambda drawn: {"low": drawn[0], "high": drawn[0] + drawn[1] * drawn[2], "step": drawn[1]}
    )
    choices = st.lists(numbers, min_size=1, max_size=4, unique=True)
    return st.tuples(st.just(key), pairs | choices | steps)


PLAUSIBLE = st.lists(st.sampled_from(NUMERIC).flatmap(plausible), min_size=1, max_size=2).map(dict)


def nested(leaves: dict[str, object]) -> dict[str, object]:
    table: dict[str, object] = {}
    for key, value in leaves.items():
        *path, name = key.split(".")
        inner = table
        for part in path:
            deeper = inner.setdefault(part, dict[str, object]())
            if not isinstance(deeper, dict):
                break
            inner = cast("dict[str, object]", deeper)
        else:
            inner[name] = value
    return table


def read(table: dict[str, object]) -> tuple[SweepConfig, Space] | None:
    """What the file says; None where it is refused, in one line that names a line of it."""
    text = tomli_w.dumps(table)
    document = Document(Path.cwd() / "sweeps" / "my.toml", text, tomllib.loads(text))
    refusal: ConfigError
    try:
        return read_table(document, SweepConfig, home="space."), read_space(document, COMPOSITION.schema)
    except ConfigError as error:
        refusal = error
    assert re.fullmatch(r"sweeps/my\.toml:\d+: [^\n]+", str(refusal)), str(refusal)
    return None


@settings(max_examples=200)
@given(st.dictionaries(KEYS, LEAVES, max_size=3) | PLAUSIBLE)
@example({"sample.sample.stop": [["\n"], ["."]]})
@example({"train.optim.learning_rate": {"low": 1e-300, "high": 1.0, "step": 1e-300}})
@example({"train.optim.learning_rate": {"low": 1e-320, "high": 1e308}})
@example({"train.optim.learning_rate": {"low": 1e-320, "high": 1e308, "log": True}})
@example({"train.runtime.seed": {"low": 0, "high": 2**53}})
@example({"train.data.batch_size": {"low": 1, "high": 10**9, "step": 1}})
def test_a_space_is_drawn_from_or_refused_in_one_line(leaves: dict[str, object]) -> None:
    found = read({"space": nested(leaves)})
    event("drawn" if found else "refused")
    if not found:
        return
    config, space = found
    assert space.count >= 1
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    try:
        budget = plan_budget(BASE, config, space)
    except SettingError:
        return
    for _ in range(3):
        trial = study.ask()
        assert space.contains(space.suggest(trial))
        kept = study.trials[-1].params
        for key, leaf in space.leaves.items():
            assert kept[key] == trial.params[key]
            if isinstance(leaf, Choices):
                assert kept[key] in leaf.values
            elif leaf.step is None or leaf.count < 1000:
                assert leaf.low <= kept[key] <= leaf.high
                assert leaf.step is None or any(abs(kept[key] - value) < 1e-9 for value in numbers(leaf))
        with contextlib.suppress(SettingError):
            budget.settings(COMPOSITION, kept, Path("trial"))


def numbers(leaf: Range) -> list[float]:
    return [float(value) for value in leaf.values]


TOP = st.sampled_from([*SweepConfig.__dataclass_fields__, "nonsense", "defaults", "experiment", "größe"])


@settings(max_examples=100)
@given(st.dictionaries(TOP, VALUES | NUMBERS, max_size=4))
@example({"description": "???"})
@example({"description": "a\\${b}", "objective": {"val_loss": "minimize"}})
@example({"objective": {"${x}": "minimize"}})
@example({"n_trials": 10**400})
def test_the_top_of_a_sweep_file_is_read_or_refused_in_one_line(table: dict[str, object]) -> None:
    table = {"space": {"train": {"data": {"batch_size": [2, 4]}}}, **table}
    found = read(table)
    if not found:
        return
    config, _ = found
    assert config.description == table.get("description", "")
    assert config.n_trials is None or 1 <= config.n_trials <= 100_000


def test_a_range_has_the_steps_that_a_person_counts() -> None:
    leaf = Range(0.1, 0.7, 0.1)
    assert leaf.values == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert leaf.count == 7
    assert Range(1, 9, 4).values == [1, 5, 9]
    assert Range(0.0, 1.0).values == [0.0, 1.0]
