"""Render a comparison as HTML."""

from __future__ import annotations

import html
import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ml_playground.durable import read_regular, write_text
from ml_playground.errors import UsageError
from ml_playground.runs.comparison import Comparison
from ml_playground.runs.comparison_text import equal_label
from ml_playground.runs.curves import AXES, Axis, Curve
from ml_playground.runs.groups import Group, Member, Metric
from ml_playground.runs.notes import read_notes, refer
from ml_playground.runs.settings import show
from ml_playground.terminal.numbers import duration, loss, short

_HERE = Path(__file__).parent
_MAX_POINTS = 60_000
"""Points of all curves together, so that the page stays small and quick."""
_MAX_SAMPLES = 24
_MARK = '<meta name="generator" content="ml-playground">'
_HEAD = 500


def render_page(comparison: Comparison) -> str:
    """Return the page as one self-contained HTML file, which makes no request."""
    names = [group.name for group in comparison.groups]
    title = " and ".join(names) if len(names) == 2 else f"{len(names)} runs"
    return (
        (_HERE / "page.html")
        .read_text(encoding="utf-8")
        .format(
            title=html.escape(f"Comparison of {title}"),
            style=(_HERE / "page.css").read_text(encoding="utf-8"),
            script=(_HERE / "page.js").read_text(encoding="utf-8"),
            metric=_metric_name(comparison.metric),
            verdicts=_paragraphs("verdict", (verdict.text for verdict in comparison.verdicts[:_MAX_SAMPLES])),
            warnings=_paragraphs("warning", (warning.text for warning in comparison.warnings)),
            results=_table(_results(comparison), numbers=range(1, 20)),
            settings=_settings(comparison),
            samples="\n".join(_samples(comparison.groups)),
            notes="\n".join(_notes(comparison.groups)),
            data=_data(comparison),
        )
    )


def write_page(comparison: Comparison, path: Path) -> None:
    """Write the page, replacing an existing one, and record in the runs that it refers to them.

    Raises:
        UsageError: If the file exists and is not such a page, or cannot be written.
    """
    try:
        if path.exists() and _MARK.encode() not in read_regular(path)[:_HEAD]:
            raise UsageError(f"{path}: exists and is not a comparison's page; name another file")
        write_text(path, render_page(comparison))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    for group in comparison.groups:
        for member in group.members:
            refer(member.run.folder, path)


def _data(comparison: Comparison) -> str:
    curves = sum(2 * len(group.members) for group in comparison.groups)
    most = max(20, _MAX_POINTS // curves)
    groups = [
        {"name": group.name, "members": [_member(member, comparison.metric, most) for member in group.members]}
        for group in comparison.groups
    ]
    # "</script>" in a name would end the element.
    return json.dumps({"groups": groups}, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _member(member: Member, metric: Metric, most: int) -> dict[str, object]:
    manifest = member.run.manifest
    per_token = manifest.flops / manifest.tokens if manifest.tokens else 0.0
    val, train = member.curves.val, member.curves.train
    values = [member.convert(value, metric) or 0.0 for value in val.values]
    return {"val": _curve(val, values, per_token, most), "train": _curve(train, train.values, per_token, most)}


def _curve(curve: Curve, values: Sequence[float], flops_per_token: float, most: int) -> dict[str, object]:
    stride = -(-len(values) // most) or 1
    kept = sorted({*range(0, len(values), stride), len(values) - 1} - {-1})
    places = {axis: curve.places[axis] for axis in AXES if axis in curve.places and axis != "flops"}
    columns: dict[str, object] = {
        axis: [float(f"{column[index]:.7g}") for index in kept] for axis, column in places.items()
    }
    return {**columns, "values": [float(f"{values[index]:.6g}") for index in kept], "flops_per_token": flops_per_token}


def _results(comparison: Comparison) -> Iterator[list[str]]:
    axes: list[Axis] = [axis for axis in comparison.equal if axis != "step"]
    labels = [equal_label(axis, comparison.equal[axis]) for axis in axes]
    yield [
        "run",
        "seeds",
        f"best {_metric_name(comparison.metric)}",
        "final",
        *labels,
        "tokens",
        "seconds",
        "parameters",
    ]
    for group in comparison.groups:
        best, manifest = group.best(comparison.metric), group.first.run.manifest
        deviation = f" ± {statistics.stdev(best):.4f}" if len(best) > 1 else ""
        seconds = statistics.fmean(member.run.manifest.seconds for member in group.members)
        at_equal = [loss(group.at(axis, comparison.equal[axis], comparison.metric)) for axis in axes]
        yield [
            group.name, str(len(best)), f"{statistics.fmean(best):.4f}{deviation}",
            loss(group.final(comparison.metric)), *at_equal, short(manifest.tokens), duration(seconds),
            short(manifest.parameters),
        ]  # fmt: skip


def _settings(comparison: Comparison) -> str:
    if not comparison.settings:
        return '<p class="hint">none that can affect the result</p>'
    values = [[show(each[index]) for each in comparison.settings.values()] for index in range(len(comparison.groups))]
    rows = [[group.name, *row] for group, row in zip(comparison.groups, values, strict=True)]
    return _table([["run", *comparison.settings], *rows])


def _samples(groups: Sequence[Group]) -> Iterator[str]:
    last = [(group.name, *samples[-1]) for group in groups if (samples := group.first.curves.samples)]
    if last:
        yield '<h2>Samples</h2>\n<div class="samples">'
        for name, step, text in last[:_MAX_SAMPLES]:
            caption = f"<figcaption>{html.escape(name)}, step {step:,}</figcaption>"
            yield f"<figure>{caption}<pre>{html.escape(text)}</pre></figure>"
        yield "</div>"


def _notes(groups: Sequence[Group]) -> Iterator[str]:
    members = [member for group in groups for member in group.members]
    notes = [(member.run.folder, note) for member in members for note in read_notes(member.run.folder)]
    if notes:
        yield "<h2>Notes</h2>"
        yield _table([["run", "time", "note"], *([str(folder), note.time, note.text] for folder, note in notes)])


def _table(rows: Iterable[Sequence[str]], numbers: range = range(0)) -> str:
    lines: list[str] = []
    for cells in rows:
        tag = "td" if lines else "th"
        kinds = [' class="number"' if index in numbers else "" for index in range(len(cells))]
        line = "".join(f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
        lines.append(f"<tr>{line}</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _paragraphs(kind: str, texts: Iterable[str]) -> str:
    return "\n".join(f'<p class="{kind}">{html.escape(text)}</p>' for text in texts)


def _metric_name(metric: Metric) -> str:
    return "bits per byte" if metric == "bits_per_byte" else "val loss"
