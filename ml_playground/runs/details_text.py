"""One run on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ml_playground.errors import printable
from ml_playground.runs.curves import Curve, sparkline
from ml_playground.runs.details import Details
from ml_playground.runs.listing import age
from ml_playground.runs.manifest import RunManifest
from ml_playground.runs.settings import show
from ml_playground.terminal.columns import aligned
from ml_playground.terminal.numbers import duration, loss, short

_CELLS = 40
_SAMPLE_LINES = 8


def print_details(details: Details) -> None:
    """Print everything on about one screen."""
    run, manifest = details.member.run, details.member.run.manifest
    place = f"at step {manifest.step:,} of {manifest.max_iters:,}, {age(run.changed)} ago"
    print(f"{printable(str(run.folder))}  {run.status} {place}")
    if manifest.error:
        print(f"  {printable(manifest.error)}")
    _section("", [[name, value] for name, value in _facts(manifest) if value])
    if details.changed is None:
        print(
            f"\nsettings: conf/experiment/{printable(manifest.experiment)}.toml, with which to compare, cannot be read"
        )
    elif details.changed:
        rows = [[key, _value(own), f"experiment: {_value(there)}"] for key, (own, there) in details.changed.items()]
        _section("settings that differ from the experiment", rows)
    for name, curve in (("val loss", details.member.curves.val), ("train loss", details.member.curves.train)):
        if curve.values:
            print(f"\n{name}  {curve.values[0]:.4f} {_line(curve)} {curve.values[-1]:.4f}")
    if details.sample:
        step, text = details.sample
        lines = [printable(line) for line in text.strip("\n").split("\n")]
        more = [f"... {len(lines) - _SAMPLE_LINES} more lines"] if len(lines) > _SAMPLE_LINES else []
        print(f"\nsample at step {step:,}")
        for line in [*lines[:_SAMPLE_LINES], *more]:
            print(f"  {line}")
    checkpoints = [[c.file, "" if c.step is None else f"step {c.step:,}", loss(c.val_loss), short(c.bytes, "B")]
                   for c in details.checkpoints]  # fmt: skip
    _section("checkpoints", checkpoints, right=range(1, 4))
    _section("notes", [[note.time[:16].replace("T", " "), note.text] for note in details.notes])
    _section("commands", [[name, command] for name, command in details.commands.items()])


def _facts(manifest: RunManifest) -> Iterator[tuple[str, str]]:
    bits = "" if manifest.bits_per_byte is None else f" ({manifest.bits_per_byte:.4f} bits per byte)"
    yield "best val loss", "" if manifest.best_val_loss is None else f"{manifest.best_val_loss:.4f}{bits}"
    yield "last val loss", loss(manifest.val_loss)
    speed = f", {short(manifest.tokens_per_second)} tokens/s" if manifest.tokens_per_second else ""
    cpu = f", {duration(manifest.cpu_seconds)} of CPU time" if manifest.cpu_seconds else ""
    yield "trained", f"{short(manifest.tokens)} tokens in {duration(manifest.seconds)}{speed}{cpu}"
    yield "operations", short(manifest.flops, "FLOPs") if manifest.flops else ""
    trained = manifest.trained_parameters
    share = f", {short(trained)} of them trained" if trained and trained < manifest.parameters else ""
    yield "parameters", f"{short(manifest.parameters)}{share}"
    yield "tokenizer", f"{manifest.tokenizer}, vocabulary {manifest.vocab_size:,}" if manifest.tokenizer else ""
    yield "context", f"{manifest.block_size:,} tokens, {manifest.eval_block_size:,} in evaluations"
    yield "seed", "" if manifest.seed is None else str(manifest.seed)
    yield "hardware", manifest.machine
    yield "commit", manifest.commit()
    yield "versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    yield "data", manifest.data[:12]
    yield "repeats", manifest.repeat_of or ""


def _line(curve: Curve) -> str:
    steps = curve.places["step"]
    span = steps[-1] - steps[0]
    values = [curve.at("step", steps[0] + span * cell / (_CELLS - 1)) for cell in range(_CELLS)] if span else []
    return sparkline(values, min(curve.values), max(curve.values))


def _value(value: object) -> str:
    return "unset" if value is None else show(value)


def _section(title: str, rows: list[list[str]], right: range = range(0)) -> None:
    if rows:
        print(f"\n{title}" if title else "")
    for line in aligned(rows, right):
        print(f"  {line}")
