"""Plots of a sweep as Plotly's plain data, with pruned trials included."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState, create_trial

from ml_playground.runs.metrics import read_metrics
from ml_playground.sweeping.extension import Extension
from ml_playground.sweeping.leaves import Range
from ml_playground.sweeping.names import short_names, show_value
from ml_playground.sweeping.points import duplicate_of, values_of
from ml_playground.sweeping.ranking import last_value
from ml_playground.sweeping.results import Results
from ml_playground.sweeping.sweep import VAL_LOSS

_BLUE, _ORANGE, _GREY, _GREEN, _PURPLE = "#0072b2", "#d55e00", "#b0b0b0", "#009e73", "#cc79a7"
"""Colors that color-blind people can tell apart (Okabe and Ito, 2008)."""
_MIN_TRIALS = 5
"""Importances of fewer trials say nothing."""
_COLUMNS = 3
_MARKED = 50
"""Up to this number of trials, curves have markers."""

Trace = dict[str, object]
Placed = tuple[FrozenTrial, object, float]
"""A trial with its x and y."""


@dataclass(frozen=True)
class Figure:
    """A plot with its heading."""

    title: str
    note: str
    traces: list[Trace]
    layout: dict[str, object]


def figures(results: Results) -> Iterator[Figure]:
    """Yield all plots for which there is enough data."""
    trials = [trial for trial in sorted(results.trials, key=lambda each: each.number) if duplicate_of(trial) is None]
    objectives = results.sweep.objectives
    if len(objectives) > 1:
        yield _front(results, trials)
    for index, name in enumerate(objectives):
        valued = [(trial, value) for trial in trials if (value := _value(trial, index)) is not None]
        if not valued:
            continue
        yield _history(results, valued, index, name)
        if index == 0 and len(objectives) == 1:
            yield _curves(results, trials, name)
        sampled = [(trial, value) for trial, value in valued if trial.params]
        varied = [k for k in results.sweep.space.leaves if len({t.params[k] for t, _ in sampled if k in t.params}) > 1]
        if varied:
            if importances := _importances(results, sampled, varied, index, name):
                yield importances
            yield _slices(results, sampled, varied, name)
            yield _parallel(results, sampled, varied, name)


def _value(trial: FrozenTrial, index: int) -> float | None:
    """Return the score or, of other trials, the last value."""
    return float(trial.values[index]) if trial.state is TrialState.COMPLETE else last_value(trial)


def _label(trial: FrozenTrial, names: dict[str, str]) -> str:
    params = values_of(trial)
    values = "<br>".join(f"{name} = {show_value(params[key])}" for key, name in names.items() if key in params)
    return f"trial {trial.number}<br>{values}".replace("\n", " ")


def _points(results: Results, points: Sequence[Placed], name: str, color: str, symbol: str, **fields: object) -> Trace:
    names = short_names(results.sweep.space)
    return {
        "type": "scatter", "mode": "markers", "name": name, "marker": {"color": color, "symbol": symbol, "size": 8},
        "x": [x for _, x, _ in points], "y": [y for _, _, y in points],
        "text": [_label(trial, names) for trial, _, _ in points], "hovertemplate": "%{text}<br>%{y:.4f}<extra></extra>",
        **fields,
    }  # fmt: skip


def _history(results: Results, valued: Sequence[tuple[FrozenTrial, float]], index: int, name: str) -> Figure:
    complete = [(t, t.number, value) for t, value in valued if t.state is TrialState.COMPLETE]
    others = [(t, t.number, value) for t, value in valued if t.state is not TrialState.COMPLETE]
    pick = min if results.sweep.directions[index] == "minimize" else max
    best = [pick(value for _, _, value in complete[: count + 1]) for count in range(len(complete))]
    traces: list[Trace] = [
        _points(results, others, "pruned or running: last value", _GREY, "x"),
        _points(results, complete, "complete", _BLUE, "circle"),
        {"type": "scatter", "mode": "lines", "name": "best so far", "line": {"color": _ORANGE, "shape": "hv"},
         "x": [number for _, number, _ in complete], "y": best},
    ]  # fmt: skip
    layout: dict[str, object] = {
        "xaxis": {"title": {"text": "trial"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": name}},
    }
    if (own := results.baseline) and own.state is TrialState.COMPLETE:
        layout["shapes"] = [_line(own.values[index])]
        layout["annotations"] = [_line_label(own.values[index])]
    note = "Each trial's score, and the last value of those that were pruned."
    return Figure(f"{name}: history", note, traces, layout)


def _line(y: float) -> dict[str, object]:
    line = {"color": _GREEN, "dash": "dash", "width": 1.5}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line}


def _line_label(y: float) -> dict[str, object]:
    place = {"xref": "paper", "x": 1, "xanchor": "right", "y": y, "yanchor": "bottom"}
    return {**place, "text": "your values", "showarrow": False, "font": {"color": _GREEN}}


def _curves(results: Results, trials: Sequence[FrozenTrial], name: str) -> Figure:
    best, own = results.best, results.baseline
    marked = {trial.number for trial in (best, own) if trial}
    groups = [
        ("pruned or running", _GREY, [t for t in trials if t.state is not TrialState.COMPLETE]),
        ("complete", "#7fb8d8", [t for t in trials if t.state is TrialState.COMPLETE and t.number not in marked]),
        ("your values", _GREEN, [own] if own else []),
        ("best", _ORANGE, [best] if best and best is not own else []),
    ]
    traces: list[Trace] = []
    for title, color, members in groups:
        x: list[int | None] = []
        y: list[float | None] = []
        for trial in members:  # a gap, so that one trace draws many curves
            x += [*trial.intermediate_values, None]
            y += [*trial.intermediate_values.values(), None]
        if x:
            line = {"color": color, "width": 2.5 if title in ("best", "your values") else 1}
            mode = "lines+markers" if len(trials) <= _MARKED else "lines"
            fields: Trace = {"type": "scatter", "mode": mode, "name": title, "line": line, "marker": {"size": 4}}
            traces.append({**fields, "x": x, "y": y})
    note = "At equal training tokens. A curve that stops early was pruned."
    if results.extension and name == VAL_LOSS:
        traces.append(_extended_curves(results, results.extension))
        note += " The extended ones leave their trial's curve where its decay starts."
    layout: dict[str, object] = {"xaxis": {"title": {"text": "training tokens"}}, "yaxis": {"title": {"text": name}}}
    return Figure("Learning curves", note, traces, layout)


def _extended_curves(results: Results, extension: Extension) -> Trace:
    x: list[object] = []
    y: list[object] = []
    for run, _ in extension.runs:
        entries = read_metrics(run.folder(results.sweep) / "metrics.jsonl")
        evaluated = [entry for entry in entries if "val/loss" in entry and entry["step"]]
        x += [*(entry.get("train/tokens") for entry in evaluated), None]
        y += [*(entry["val/loss"] for entry in evaluated), None]
    line = {"color": _PURPLE, "width": 2, "dash": "dot"}
    return {"type": "scatter", "mode": "lines", "name": "extended", "line": line, "x": x, "y": y}


def _importances(
    results: Results, valued: Sequence[tuple[FrozenTrial, float]], varied: Sequence[str], index: int, name: str
) -> Figure | None:
    """Return importances on values at the same number of tokens: the most that half of the trials have reached."""
    points = list(valued)
    note = "How much each setting explains (PED-ANOVA)."
    if len(results.sweep.objectives) == 1:
        reached = Counter(place for trial, _ in valued for place in trial.intermediate_values)
        half = [place for place, count in reached.items() if 2 * count >= len(valued)]
        if not half:
            return None
        place = max(half)
        points = [(t, t.intermediate_values[place]) for t, _ in valued if place in t.intermediate_values]
        note = f"How much each setting explains of {name} after {place:,} tokens, pruned trials included (PED-ANOVA)."
    points = [(trial, value) for trial, value in points if math.isfinite(value)]
    varied = _unconditional(results, varied)
    keys = [key for key in varied if len({trial.params[key] for trial, _ in points}) > 1]
    if len(points) < _MIN_TRIALS or not keys:
        return None
    study = optuna.create_study(direction=results.sweep.directions[index])
    study.add_trials(
        create_trial(value=value, params=trial.params, distributions=trial.distributions) for trial, value in points
    )
    found = optuna.importance.get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=keys)
    names = short_names(results.sweep.space)
    order = list(reversed(found))
    bars: Trace = {"type": "bar", "orientation": "h", "x": [found[key] for key in order],
                   "y": [names[key] for key in order], "marker": {"color": _BLUE}}  # fmt: skip
    xaxis = {"title": {"text": "share"}, "rangemode": "tozero"}
    layout: dict[str, object] = {"xaxis": xaxis, "yaxis": {"automargin": True}, "height": 120 + 40 * len(order)}
    return Figure(f"{name}: hyperparameter importances", note, [bars], layout)


def _unconditional(results: Results, keys: Sequence[str]) -> list[str]:
    """Return the keys that all trials have."""
    return [key for key in keys if key not in results.sweep.space.conditions]


def _slices(results: Results, valued: Sequence[tuple[FrozenTrial, float]], varied: Sequence[str], name: str) -> Figure:
    names, rows = short_names(results.sweep.space), -(-len(varied) // _COLUMNS)
    layout: dict[str, object] = {
        "grid": {"rows": rows, "columns": min(_COLUMNS, len(varied)), "pattern": "independent"},
        "height": 320 * rows, "showlegend": True,
    }  # fmt: skip
    traces: list[Trace] = []
    for number, key in enumerate(varied, start=1):
        suffix = "" if number == 1 else str(number)
        leaf = results.sweep.space.leaves[key]
        kind = ("log" if leaf.log else "linear") if isinstance(leaf, Range) else "category"
        axis: dict[str, object] = {"title": {"text": names[key]}, "type": kind}
        if not isinstance(leaf, Range):
            axis.update(categoryorder="array", categoryarray=[str(value) for value in leaf.values])
        layout[f"xaxis{suffix}"] = axis
        layout[f"yaxis{suffix}"] = {"title": {"text": name if number % _COLUMNS == 1 else ""}}
        axes: dict[str, object] = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "showlegend": number == 1}
        groups = [("pruned or running", _GREY, "x", False), ("complete", _BLUE, "circle", True)]
        for title, color, symbol, complete in groups:
            points = [
                (t, t.params[key] if isinstance(leaf, Range) else str(t.params[key]), value)
                for t, value in valued
                if key in t.params and (t.state is TrialState.COMPLETE) == complete
            ]
            traces.append(_points(results, points, title, color, symbol, legendgroup=title, **axes))
    note = "Scores by the value of each setting; the last value of trials that were pruned, which had fewer tokens."
    return Figure(f"{name}: slice", note, traces, layout)


def _parallel(
    results: Results, valued: Sequence[tuple[FrozenTrial, float]], varied: Sequence[str], name: str
) -> Figure:
    names, budget = short_names(results.sweep.space), results.sweep.budget.tokens
    dimensions: list[dict[str, object]] = []
    for key in _unconditional(results, varied):
        leaf = results.sweep.space.leaves[key]
        if isinstance(leaf, Range):
            values = [float(trial.params[key]) for trial, _ in valued]
            values = [math.log10(value) for value in values] if leaf.log else values
            dimensions.append({"label": names[key] + (" (log10)" if leaf.log else ""), "values": values})
        else:
            choices, ticks = list(leaf.values), list(range(len(leaf.values)))
            places = [choices.index(trial.params[key]) for trial, _ in valued]
            texts = [str(choice) for choice in choices]
            dimensions.append({"label": names[key], "values": places, "tickvals": ticks, "ticktext": texts})
    shares = [100.0 if t.state is TrialState.COMPLETE else 100 * (t.last_step or 0) / budget for t, _ in valued]
    dimensions.append({"label": "% of tokens", "values": shares, "range": [0, 100]})
    dimensions.append({"label": name, "values": [value for _, value in valued]})
    color = {"color": [value for _, value in valued], "colorscale": "Viridis", "showscale": True}
    if results.sweep.directions[results.sweep.objectives.index(name)] == "minimize":
        color["reversescale"] = True
    trace: Trace = {"type": "parcoords", "line": color, "dimensions": dimensions}
    return Figure(f"{name}: parallel coordinate", "Drag along an axis to select trials.", [trace], {"height": 420})


def _front(results: Results, trials: Sequence[FrozenTrial]) -> Figure:
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    front = {trial.number for trial in results.study.best_trials}
    first, second = results.sweep.objectives
    traces: list[Trace] = []
    for title, color, best in (("complete", _GREY, False), ("Pareto front", _ORANGE, True)):
        points: list[Placed] = [(t, t.values[0], t.values[1]) for t in complete if (t.number in front) == best]
        traces.append(_points(results, points, title, color, "circle"))
    if (own := results.baseline) and own.state is TrialState.COMPLETE:
        traces.append(_points(results, [(own, own.values[0], own.values[1])], "your values", _GREEN, "star"))
    layout: dict[str, object] = {"xaxis": {"title": {"text": first}}, "yaxis": {"title": {"text": second}}}
    return Figure("Pareto front", "No trial is better in both than one of the front.", traces, layout)
