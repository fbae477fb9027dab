"""Which of two groups of runs is better, if that can be told."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ml_playground.runs.groups import Group, Metric
from ml_playground.runs.statistics import LEVEL, MAX_SEEDS, POWER, Difference, Noise, holm, seeds_needed, student, welch

Conclusion = Literal["better", "worse", "not distinguishable", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """Comparison of a group with the first one."""

    name: str
    reference: str
    metric: Metric
    conclusion: Conclusion
    """``unknown`` if there is no estimate of the noise."""
    difference: float
    """Of the mean best values, this group's minus the reference's; negative is better."""
    tested: Difference | None
    """None if there is no estimate of the noise."""
    seeds: tuple[int, int]
    """Number of seeds of this group and of the reference."""
    more_seeds: int | None
    """How many more seeds per group would find this difference if it is real; None if that is not known."""

    @property
    def text(self) -> str:
        """Return the verdict as a sentence."""
        unit = "bits per byte" if self.metric == "bits_per_byte" else "val loss"
        amount = f"{abs(self.difference):.4f}"
        lead = f"{self.name} has a {unit} {amount} {'lower' if self.difference < 0 else 'higher'} than {self.reference}"
        if self.tested is None:
            return (
                f"{lead}, but whether that is noise is unknown: {self._why_unknown()}. Train both with several seeds:"
                " [train.runtime] seeds = [1, 2, 3, 4, 5]"
            )
        interval = f"95 % interval {self.tested.low:+.4f} to {self.tested.high:+.4f}, p = {self.tested.p:.2g}"
        evidence = f"{interval}, {self.tested.method}"
        if self.conclusion in ("better", "worse"):
            return f"{self.name} is {self.conclusion} than {self.reference}: {unit} {self.difference:+.4f} ({evidence})"
        more = f"more than {MAX_SEEDS:,}" if self.more_seeds is None else f"about {self.more_seeds}"
        return (
            f"{self.name} and {self.reference} are not distinguishable: {unit} {self.difference:+.4f} ({evidence});"
            f" {more} more seeds each would tell a difference of {amount} ({100 * POWER:.0f} % power)"
        )

    def _why_unknown(self) -> str:
        if max(self.seeds) == 1:
            return "there is one seed of each, and no run of this experiment with several seeds"
        return "the seeds gave equal results"


def verdicts(groups: Sequence[Group], metric: Metric, borrowed: tuple[Noise, str] | None) -> list[Verdict]:
    """Compare each group with the first, correcting for several comparisons.

    Args:
        borrowed: Deviation over seeds for groups of one, measured in other runs of the experiment, and their names.
    """
    reference, *others = groups
    tests = [_test(reference, group, metric, borrowed) for group in others]
    known = holm([test for test in tests if test])
    corrected = [known.pop(0) if test else None for test in tests]
    return [_verdict(reference, group, metric, test) for group, test in zip(others, corrected, strict=True)]


def _test(first: Group, second: Group, metric: Metric, borrowed: tuple[Noise, str] | None) -> Difference | None:
    a, b = first.best(metric), second.best(metric)
    if len(a) > 1 and len(b) > 1:
        return welch(a, b)
    for group, values in ((first, a), (second, b)):
        if len(values) > 1:
            noise = Noise(statistics.stdev(values), len(values) - 1)
            return student(a, b, noise, f"the seeds of {group.name}")
    return student(a, b, *borrowed) if borrowed else None


def _verdict(reference: Group, group: Group, metric: Metric, test: Difference | None) -> Verdict:
    a, b = reference.best(metric), group.best(metric)
    difference = statistics.fmean(b) - statistics.fmean(a)
    conclusion: Conclusion = "unknown"
    more = None
    if test and test.p < LEVEL:
        conclusion = "better" if difference < 0 else "worse"
    elif test:
        conclusion = "not distinguishable"
        needed = seeds_needed(difference, test.noise)
        more = None if needed is None else max(1, needed - min(len(a), len(b)))
    seeds = (len(b), len(a))
    return Verdict(group.name, reference.name, metric, conclusion, difference, test, seeds, more)
