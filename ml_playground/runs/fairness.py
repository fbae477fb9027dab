"""What makes a comparison of runs unfair, or impossible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ml_playground.errors import UsageError
from ml_playground.runs.groups import Group, Member


@dataclass(frozen=True)
class Doubt:
    """A reason to doubt a comparison."""

    code: str
    """Name for programs."""
    text: str


def check_text(groups: Sequence[Group]) -> None:
    """Refuse to compare losses on different texts.

    Raises:
        UsageError: If the validation texts are known to differ.
    """
    texts = {group.name: text for group in groups if (text := group.first.run.manifest.val_text)}
    if len(set(texts.values())) > 1:
        first, other = next((a, b) for a in texts for b in texts if texts[a] != texts[b])
        raise UsageError(
            f"{first} and {other} cannot be compared: they were validated on different texts; train both with the same"
            " [prepare] input, val_fraction and split_seed"
        )


def warnings(groups: Sequence[Group]) -> list[Doubt]:
    """Return what makes the comparison unfair, the gravest first; what earlier versions did not record is skipped."""
    return [
        *_unknown_text(groups),
        *_unfinished(groups),
        *(doubt for code, (text, value) in _EQUAL.items() for doubt in _differing(groups, code, text, value)),
    ]


def _unknown_text(groups: Sequence[Group]) -> list[Doubt]:
    unknown = [group for group in groups if not group.first.run.manifest.val_text]
    if not unknown or len({group.first.run.manifest.data for group in groups}) == 1:
        return []
    return [
        Doubt("val_text", f"{unknown[0].name} did not record its validation text: it may not be that of the others")
    ]


def _unfinished(groups: Sequence[Group]) -> list[Doubt]:
    return [
        Doubt("unfinished", f"{run.folder} is not finished but {run.status}, at step {run.manifest.step:,} of"
                 f" {run.manifest.max_iters:,}")
        for group in groups for run in (member.run for member in group.members) if run.status != "finished"
    ]  # fmt: skip


def _differing(groups: Sequence[Group], code: str, text: str, value: Callable[[Member], str]) -> list[Doubt]:
    all_values = {group.name: sorted({value(member) for member in group.members} - {""}) for group in groups}
    values = {name: each for name, each in all_values.items() if each}
    if len({tuple(each) for each in values.values()}) < 2:
        return []
    shown = ", ".join(f"{name}: {' and '.join(each)}" for name, each in values.items())
    return [Doubt(code, f"the runs {text} ({shown})")]


def _evaluated(member: Member) -> str:
    limit = member.settings.get("train.runtime.eval_iters")
    return f"{limit} batches" if limit else "all of it"


def _hardware(member: Member) -> str:
    manifest = member.run.manifest
    return manifest.machine if manifest.processor else ""


def _code(member: Member) -> str:
    manifest = member.run.manifest
    torch = manifest.versions.get("torch", "?")
    return f"{manifest.commit(10) or 'unknown commit'}, torch {torch}, Python {manifest.versions.get('python', '?')}"


_EQUAL: dict[str, tuple[str, Callable[[Member], str]]] = {
    "tokenizer": (
        "have different tokenizers: their losses per token cannot be compared, so bits per byte of text are",
        lambda member: member.run.manifest.vocabulary,
    ),
    "eval_block_size": (
        "were evaluated with different context lengths: a longer one lowers the loss; set the same [train.runtime]"
        " eval_block_size",
        lambda member: str(member.run.manifest.eval_block_size or ""),
    ),
    "eval_iters": (
        "were evaluated on different parts of the validation text; set eval_iters = 0, which is all of it",
        _evaluated,
    ),
    "tokens": (
        "were trained on different numbers of tokens; see the values at equal tokens",
        lambda member: f"{member.run.manifest.tokens:,}",
    ),
    "hardware": ("ran on different hardware: their seconds cannot be compared", _hardware),
    "code": ("were trained by different code", _code),
}
"""What is to be equal in all runs, gravest first: what to say if it is not, and how to read it."""
