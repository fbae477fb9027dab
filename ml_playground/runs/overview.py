"""The table of ``mlp runs``: runs grouped by experiment, best first; a sweep's trials and a run's seeds as one row."""

from __future__ import annotations

import shutil
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_playground.errors import printable
from ml_playground.runs.listing import OUTPUTS, RunSummary, age, find_runs, vocabularies
from ml_playground.runs.settings import show_params
from ml_playground.terminal.columns import aligned
from ml_playground.terminal.numbers import loss, short

_HEADINGS = ("run", "status", "step", "tokens", "best val", "bits/byte", "tokens/s", "age", "size", "")
_RIGHT = range(2, 9)


@dataclass(frozen=True)
class Row:
    """One run, or several that belong together."""

    folder: Path
    runs: Sequence[RunSummary]
    """Best first."""

    @property
    def best(self) -> RunSummary:
        return self.runs[0]

    @property
    def is_sweep(self) -> bool:
        """Whether these are trials of a sweep, and not the same settings with several seeds."""
        return bool(self.best.manifest.params)

    def value(self, name: str) -> float | None:
        """Return a metric: the best trial's, or the mean over the seeds."""
        values = [value for run in self.runs if (value := getattr(run, name)) is not None]
        return values[0] if self.is_sweep and values else statistics.fmean(values) if values else None

    def deviation(self, name: str) -> float | None:
        """Return the standard deviation of a metric over seeds; None with fewer than two."""
        values = [value for run in self.runs if (value := getattr(run, name)) is not None]
        return statistics.stdev(values) if len(values) > 1 and not self.is_sweep else None


def print_runs(root: Path = OUTPUTS, *, every: bool = False, archived: bool = False) -> None:
    """Print a table of all runs to standard output.

    Args:
        root: Folder to search.
        every: Whether each trial of a sweep and each seed gets its own row.
        archived: Whether archived runs are included.
    """
    runs = [run for run in find_runs(root) if archived or not run.archived]
    if not runs:
        print(f"no runs in {root}; start one with  mlp-run experiment=NAME")
        return
    table: list[tuple[str, ...]] = [_HEADINGS]
    titles: dict[int, str] = {}
    for experiment, members in sorted(_by_experiment(runs).items()):
        by, reason = measure(members)
        titles[len(table)] = f"{experiment}  (by {'val loss' if by == 'best_val_loss' else 'bits per byte'}{reason})"
        table += [_cells(row, root) for row in _rows(members, by, root, every=every)]
    lines = aligned(table, _RIGHT)
    for index, line in enumerate(lines):
        if title := titles.get(index):
            print(f"\n{printable(title)}")
        print(line)
    free = shutil.disk_usage(root).free
    print(f"\n{len(runs)} runs, {short(sum(run.bytes for run in runs), 'B')}; {short(free, 'B')} free")


def measure(runs: Sequence[RunSummary]) -> tuple[str, str]:
    """Return the metric by which runs can be ranked, and why it is not the validation loss."""
    kinds = vocabularies(runs)
    if len(kinds) < 2:
        return "best_val_loss", ""
    return "bits_per_byte", f", as losses per token of different tokenizers cannot be compared: {', '.join(kinds)}"


def order(runs: Sequence[RunSummary], by: str) -> list[RunSummary]:
    """Sort runs, best first, those without a value last."""
    return sorted(runs, key=lambda run: (getattr(run, by) is None, getattr(run, by) or 0.0, run.folder))


def _by_experiment(runs: Sequence[RunSummary]) -> dict[str, list[RunSummary]]:
    groups: defaultdict[str, list[RunSummary]] = defaultdict(list)
    for run in runs:
        groups[run.manifest.experiment].append(run)
    return groups


def _rows(runs: Sequence[RunSummary], by: str, root: Path, *, every: bool) -> Iterator[Row]:
    together: dict[Path, list[RunSummary]] = {}
    for run in order(runs, by):
        group = None if every else run.group
        # Who lists the folder of a sweep, or of several seeds, wants to see what is in it.
        inside = group is not None and group != root and group.is_relative_to(root)
        together.setdefault(group if group and inside else run.folder, []).append(run)
    rows = [Row(folder, members) for folder, members in together.items()]
    yield from sorted(rows, key=lambda row: (row.value(by) is None, row.value(by) or 0.0))


def _cells(row: Row, root: Path) -> tuple[str, ...]:
    run, manifest = row.best, row.best.manifest
    several = len(row.runs) > 1 or row.folder != run.folder
    name = str(row.folder.relative_to(root)) if row.folder != root else str(root)
    states = Counter(each.status for each in row.runs)
    deviation = row.deviation("best_val_loss")
    speed = [value for each in row.runs if (value := each.manifest.tokens_per_second) is not None]
    return (
        name,
        ", ".join(f"{count} {status}" if several else status for status, count in states.most_common()),
        "" if several else f"{manifest.step:,}/{manifest.max_iters:,}",
        short(sum(each.manifest.tokens for each in row.runs)),
        loss(row.value("best_val_loss")) + ("" if deviation is None else f" ± {deviation:.4f}"),
        loss(row.value("bits_per_byte")),
        short(statistics.median(speed)) if speed else "",
        age(max(each.changed for each in row.runs)),
        short(sum(each.bytes for each in row.runs), "B"),
        _remark(row),
    )


def _remark(row: Row) -> str:
    run, manifest = row.best, row.best.manifest
    if row.folder != run.folder:
        if row.is_sweep:
            return f"best: trial {run.folder.name}, {show_params(manifest.params)}"
        return f"seeds {', '.join(str(each.manifest.seed) for each in sorted(row.runs, key=lambda each: each.folder))}"
    remarks = [
        show_params(manifest.params),
        f"resumed at {manifest.resumed_from:,}" if manifest.resumed_from else "",
        f"repeats {manifest.repeat_of}" if manifest.repeat_of else "",
        "archived" if run.archived else "",
    ]
    return "; ".join(filter(None, remarks))
