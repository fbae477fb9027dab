"""A space with conditions has the points that one gets by crossing out what does not apply, and no others."""

from __future__ import annotations

import itertools
from pathlib import Path

import optuna
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from ml_playground.composition.documents import Document
from ml_playground.composition.load import compose_experiment
from ml_playground.errors import ConfigError
from ml_playground.sweeping.leaves import Params
from ml_playground.sweeping.space import Space, read_space

SCHEMA = compose_experiment("bundestag_char").schema
optuna.logging.set_verbosity(optuna.logging.ERROR)
CHOICES: dict[str, list[object]] = {
    "batch_size": [2, 4, 8],
    "block_size": [16, 32],
    "grad_accum_steps": [1, 2],
    "sampler": ["random", "shuffled"],
    "packing": [True, False],
}
Leaves = dict[str, tuple[list[object], dict[str, list[object]]]]
"""Choices and conditions by name."""


@st.composite
def leaves(draw: st.DrawFn) -> Leaves:
    """Some of the settings of [train.data], in any order, with conditions on any of them."""
    names = draw(st.permutations(sorted(CHOICES)).map(lambda order: order[: draw(st.integers(2, 5))]))
    found: Leaves = {}
    for name in names:
        others = draw(st.lists(st.sampled_from(sorted(set(names) - {name})), max_size=2, unique=True))
        some = {other: draw(st.lists(st.sampled_from(CHOICES[other]), min_size=1, unique=True)) for other in others}
        found[name] = (CHOICES[name], some)
    return found


def read(found: Leaves) -> Space | None:
    table = {
        name: {"choices": choices, **({"when": {"train": {"data": some}}} if some else {})}
        for name, (choices, some) in found.items()
    }
    document = Document(Path("my.toml"), "", {"space": {"train": {"data": table}}})
    refusal: ConfigError
    try:
        return read_space(document, SCHEMA)
    except ConfigError as error:
        refusal = error
    assert "when: " in str(refusal)
    return None


def crossed_out(found: Leaves, point: dict[str, object]) -> dict[str, object]:
    """What is left of a value for every setting, without those that do not apply."""
    left = point
    for _ in found:
        left = {
            name: value
            for name, value in left.items()
            if all(other in left and left[other] in some for other, some in found[name][1].items())
        }
    return left


def short(params: Params) -> frozenset[tuple[str, object]]:
    return frozenset((key.removeprefix("train.data."), value) for key, value in params.items())


@settings(max_examples=200)
@given(leaves(), st.integers(0, 2**31))
def test_the_points_are_those_left_when_what_does_not_apply_is_crossed_out(found: Leaves, seed: int) -> None:
    space = read(found)
    event("read" if space else "refused")
    assume(space is not None)
    assert space is not None
    products = itertools.product(*(choices for choices, _ in found.values()))
    wanted = {frozenset(crossed_out(found, dict(zip(found, values, strict=True))).items()) for values in products}
    points = [short(point) for point in space.points()]
    assert set(points) == wanted
    assert len(points) == len(wanted) == space.count
    assert all(space.contains(point) for point in space.points())
    for key in space.leaves:  # every one applies somewhere
        assert any(short(space.example(key, value)) <= point for value in space.leaves[key].values for point in points)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=2))
    for number in range(4):
        trial = study.ask()
        params = space.suggest(trial)
        assert short(params) in wanted
        assert trial.params == params
        assert trial.distributions == space.distributions(params)
        study.tell(trial, float(number))
        for key in params:
            assert not space.contains({other: value for other, value in params.items() if other != key})
