"""Wherever a kill or a power cut falls into the saving of checkpoints, a whole one is found."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import LoadedCheckpoint
from ml_playground.training.checkpoint_manifest import BEST, LAST
from tests.checkpoints import content, weights_step
from tests.powercut import Disk, Operation, Recorder

Files = dict[str, bytes]
State = frozenset[tuple[str, bytes]]


def save(recorder: Recorder, folder: Path, step: int) -> None:
    """What a run does at an evaluation that is the best so far."""
    recorder.note("begins", step)
    checkpoints.save(folder, LAST, content(step), step, None)
    recorder.note("saved", step)
    checkpoints.copy(folder, LAST, BEST)


def recorded(folder: Path, action: Callable[[Recorder], None], *, hard_links: bool = True) -> list[Operation]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        recorder = Recorder(folder, monkeypatch, hard_links=hard_links)
        action(recorder)
    return recorder.operations


def three_saves(folder: Path) -> Callable[[Recorder], None]:
    def act(recorder: Recorder) -> None:
        for step in (1, 2, 3):
            save(recorder, folder, step)

    return act


def crashes(disk: Disk, chance: random.Random) -> list[Files]:
    """The folder after a kill, and after power cuts: with all names, with none, with any that were not synced."""
    names = len(disk.unsafe)
    some = [[chance.random() < 0.5 for _ in range(names)] for _ in range(2 if names > 1 else 0)]
    cuts = [[True] * names, [False] * names, *some]
    return [disk.after_kill(), *(disk.after_power_cut(survivors, chance) for survivors in cuts)]


def rebuild(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def state(files: Files) -> State:
    """Folders that differ only in what is half written under a temporary name are alike."""
    return frozenset((name, data) for name, data in files.items() if not name.endswith(".tmp"))


def allowed(operations: list[Operation], saved: int | None) -> frozenset[int | None]:
    """The steps that may be found: of the last save that ended, and of the one that was going on."""
    steps = frozenset({saved})
    for verb, *words in operations:
        if verb == "note":
            what, step = words
            steps = frozenset({step}) if what == "saved" else steps | {step}
    return steps


def found_step(folder: Path) -> int | None:
    """Of the last checkpoint, without help from the best, which can be older in a run."""
    found = checkpoints.find(folder, LAST)
    assert (found is None) == (checkpoints.find(folder, BEST, LAST) is None)
    return weights_step(found) if found else None


class Trial:
    """Tries what stops at any operation leave, each different folder once."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder = folder
        self._chance = chance
        self._tried: set[tuple[State, frozenset[int | None]]] = set()

    def stop_everywhere(self, disk: Disk, operations: list[Operation], saved: int | None) -> None:
        """``saved``: the step of the last save that ended before the operations began."""
        for end in range(len(operations) + 1):
            disk.follow(operations[max(0, end - 1) : end])
            steps = allowed(operations[:end], saved)
            for files in crashes(disk, self._chance):
                if (key := (state(files), steps)) not in self._tried:
                    self._tried.add(key)
                    step = found_step(rebuild(self._folder / f"{len(self._tried)}", files))
                    assert step in steps, f"stopped before operation {end}: {operations[max(0, end - 3) : end + 1]}"


@pytest.mark.parametrize("hard_links", [True, False])
def test_after_a_stop_at_any_operation_the_old_or_the_new_checkpoint_is_found(tmp_path: Path, hard_links: bool) -> None:
    folder = rebuild(tmp_path / "run", {})
    operations = recorded(folder, three_saves(folder), hard_links=hard_links)
    assert len(operations) >= 40
    left = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert Disk().follow(operations).after_kill() == left, "the model and the system agree"
    Trial(tmp_path / "left", random.Random(1)).stop_everywhere(Disk(), operations, None)


def test_nor_is_anything_lost_by_a_second_stop_while_the_next_session_saves(tmp_path: Path) -> None:
    folder = rebuild(tmp_path / "run", {})
    operations = recorded(folder, three_saves(folder))
    chance = random.Random(2)
    first_stops = {
        state(files): files
        for end in range(operations.index(("note", "saved", 2)), len(operations) + 1)
        for files in crashes(Disk().follow(operations[:end]), chance)
    }
    end = Disk().follow(operations).after_kill()
    first_stops[frozenset()] = {**end, "ckpt_last.pt": b"damaged by something else"}
    for number, files in enumerate(first_stops.values()):
        folder = rebuild(tmp_path / f"{number}", files)
        found = checkpoints.find(folder, LAST)
        assert found is not None
        again = recorded(folder, next_session(found))
        Trial(tmp_path / f"left-{number}", chance).stop_everywhere(Disk.holding(files), again, found.step)


def next_session(found: LoadedCheckpoint) -> Callable[[Recorder], None]:
    def act(recorder: Recorder) -> None:
        checkpoints.promote(found)
        save(recorder, found.path.parent, 4)

    return act
