"""Whatever happened to a checkpoint's files, it is refused with a reason, and the one before it is used."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import pytest
import torch

from ml_playground.errors import CheckpointError
from ml_playground.runs.train import train
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint_manifest import BEST, LAST
from ml_playground.training.trainer import Outcome, Trainer
from tests.checkpoints import content, weights_step
from tests.integration.conftest import Tiny

PT, JSON = "ckpt_last.pt", "ckpt_last.json"
SENTINEL = Path("exploded")
PAGE = 4096


def truncated(folder: Path, chance: random.Random) -> None:
    data = (folder / PT).read_bytes()
    (folder / PT).write_bytes(data[: chance.randrange(len(data))])


def bit_flipped(folder: Path, chance: random.Random) -> None:
    data = bytearray((folder / PT).read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    (folder / PT).write_bytes(data)


def page_zeroed(folder: Path, chance: random.Random) -> None:
    data = bytearray((folder / PT).read_bytes())
    page = chance.choice([start for start in range(0, len(data) - PAGE, PAGE) if any(data[start : start + PAGE])])
    data[page : page + PAGE] = bytes(PAGE)
    (folder / PT).write_bytes(data)


def grown(folder: Path, chance: random.Random) -> None:
    with (folder / PT).open("ab") as file:
        file.write(chance.randbytes(chance.randint(1, PAGE)))


def of_another_step(folder: Path, chance: random.Random) -> None:
    """Another run's file, copied over."""
    torch.save(content(chance.randint(3, 1000)), folder / PT)


def manifest_of_the_best(folder: Path, chance: random.Random) -> None:
    swap(folder / JSON, folder / "ckpt_best.json")


def manifest_of_another_step(folder: Path, chance: random.Random) -> None:
    change_manifest(folder, step=chance.randint(3, 1 << 40))


def manifest_truncated(folder: Path, chance: random.Random) -> None:
    text = (folder / JSON).read_bytes().rstrip()
    (folder / JSON).write_bytes(text[: chance.randrange(len(text))])


def manifest_hash_flipped(folder: Path, chance: random.Random) -> None:
    text = bytearray((folder / JSON).read_bytes())
    text[text.index(b'"sha256": "') + 11 + chance.randrange(64)] ^= 1 << chance.randrange(8)
    (folder / JSON).write_bytes(text)


NO_MANIFESTS = [
    b"", b"\0" * 200, b"null", b"true", b"3", b'"sha256"', b"[]", b"{}", b"[[]]", b"[" * 100_000, b"{" * 100_000,
    b'{"sha256"', b"\xff\xfe\x00", b"\xef\xbb\xbf{}", b"1" * 10_000, b"no json", b'{"a": 1}', b"[1, 2, 3, 4]",
]  # fmt: skip


def manifest_is_none(folder: Path, chance: random.Random) -> None:
    (folder / JSON).write_bytes(chance.choice(NO_MANIFESTS))


VALUES = [None, "2", 2.5, [], {}, ["2"], {"a": 1}, -1, 1 << 70, "", "x" * 64]


def manifest_value_wrong(folder: Path, chance: random.Random) -> None:
    change_manifest(folder, **{chance.choice(["sha256", "step"]): chance.choice(VALUES)})


def manifest_type_wrong(folder: Path, chance: random.Random) -> None:
    wrong: list[object] = ["7", [7], {"7": 7}]
    change_manifest(folder, **{chance.choice(["sha256", "bytes", "step", "val_loss"]): [chance.choice(wrong)]})


def manifest_key_missing(folder: Path, chance: random.Random) -> None:
    manifest = json.loads((folder / JSON).read_text())
    del manifest[chance.choice(list(manifest))]
    (folder / JSON).write_text(json.dumps(manifest))


def manifest_key_unknown(folder: Path, chance: random.Random) -> None:
    change_manifest(folder, **{chance.choice(["path", "Sha256", "", "__class__"]): "x"})


def manifest_is_a_folder(folder: Path, chance: random.Random) -> None:
    (folder / JSON).unlink()
    (folder / JSON).mkdir()


def manifest_absent(folder: Path, chance: random.Random) -> None:
    (folder / JSON).unlink()


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, kind: int) -> None:
        self.kind = kind

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        bombs: list[tuple[object, tuple[object, ...]]] = [
            (Path.touch, (SENTINEL,)),
            (subprocess.call, (["touch", str(SENTINEL)],)),
            (eval, (f"__import__('pathlib').Path('{SENTINEL}').touch()",)),
            (torch.save, (1, str(SENTINEL))),
        ]
        return bombs[self.kind]


def hostile_pickle(folder: Path, chance: random.Random) -> None:
    bomb = Bomb(chance.randrange(4))
    forge(folder, pickle.dumps(chance.choice([bomb, {**content(2), "config": bomb}]), chance.randint(0, 5)))


def hostile_archive(folder: Path, chance: random.Random) -> None:
    bomb, whole = Bomb(chance.randrange(4)), content(2)
    hidden = {**whole, "state": {**whole["state"], "scaler": {"scale": bomb}}}
    forge(folder, saved(chance.choice([bomb, [bomb], {**whole, "config": bomb}, hidden])))


def pickle_in_archive_damaged(folder: Path, chance: random.Random) -> None:
    forge(folder, repacked(folder, lambda data: data[: chance.randrange(len(data))]))


def pickle_in_archive_garbage(folder: Path, chance: random.Random) -> None:
    forge(folder, repacked(folder, lambda _: chance.randbytes(chance.randint(1, 200))))


def garbage(folder: Path, chance: random.Random) -> None:
    forge(folder, chance.choice([b"", b"PK\3\4", b"\x80\2", b"\x80\5"]) + chance.randbytes(chance.randint(1, 200)))


def other_content(folder: Path, chance: random.Random) -> None:
    whole = content(2)
    tensor = torch.ones(3)
    others: list[object] = [
        [], 3, "text", None, tensor, (1, 2), {}, {"state": {}}, {"format": 1}, {"format": [1]}, {"format": None},
        {"format": tensor}, {"format": "1"}, {1: 2}, [whole], {**whole, "format": 2}, {**whole, "format": 0},
    ]  # fmt: skip
    forge(folder, saved(chance.choice(others)))


def part_missing_or_other(folder: Path, chance: random.Random) -> None:
    """One entry is gone, or a tensor, a list, a number in its place."""
    whole = content(2)
    parts = (whole, whole["state"], whole["state"]["optimizer"], whole["state"]["rng"])
    table = cast("dict[str, object]", chance.choice(parts))
    key = chance.choice(list(table))
    others: list[object] = [1.5, b"bytes", torch.ones(1000) if isinstance(table[key], dict) else {}]
    if chance.random() < 0.5:
        del table[key]
    else:
        table[key] = chance.choice(others)
    forge(folder, saved(whole))


def weights_of_another_type(folder: Path, chance: random.Random) -> None:
    whole = content(2)
    weights = cast("dict[str, object]", whole["state"]["model"])
    weights[chance.choice(list(weights))] = chance.choice([None, 1, "first", [1.0], {}])
    forge(folder, saved(whole))


def empty(folder: Path, chance: random.Random) -> None:
    (folder / PT).write_bytes(b"")


def empty_with_its_hash(folder: Path, chance: random.Random) -> None:
    forge(folder, b"")


def a_folder(folder: Path, chance: random.Random) -> None:
    (folder / PT).unlink()
    (folder / PT).mkdir()


def unreadable(folder: Path, chance: random.Random) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (folder / PT).chmod(0)


def swap(first: Path, second: Path) -> None:
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def change_manifest(folder: Path, **values: object) -> None:
    manifest = json.loads((folder / JSON).read_text())
    (folder / JSON).write_text(json.dumps({**manifest, **values}))


def forge(folder: Path, data: bytes) -> None:
    """Put other content into the newest checkpoint, with a manifest that vouches for it."""
    (folder / PT).write_bytes(data)
    change_manifest(folder, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def repacked(folder: Path, change: Callable[[bytes], bytes]) -> bytes:
    """The newest checkpoint with another pickle in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(folder / PT) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, change(data) if name.endswith("data.pkl") else data)
    return file.getvalue()


class Kind(NamedTuple):
    corrupt: Callable[[Path, random.Random], None]
    times: int


KINDS = [
    Kind(truncated, 80),
    Kind(bit_flipped, 100),
    Kind(page_zeroed, 30),
    Kind(grown, 10),
    Kind(of_another_step, 5),
    Kind(manifest_of_the_best, 1),
    Kind(manifest_of_another_step, 10),
    Kind(manifest_truncated, 30),
    Kind(manifest_hash_flipped, 30),
    Kind(manifest_is_none, 30),
    Kind(manifest_value_wrong, 30),
    Kind(manifest_type_wrong, 20),
    Kind(manifest_key_missing, 8),
    Kind(manifest_key_unknown, 8),
    Kind(manifest_is_a_folder, 1),
    Kind(manifest_absent, 1),
    Kind(hostile_pickle, 20),
    Kind(hostile_archive, 12),
    Kind(pickle_in_archive_damaged, 20),
    Kind(pickle_in_archive_garbage, 20),
    Kind(garbage, 20),
    Kind(other_content, 25),
    Kind(part_missing_or_other, 40),
    Kind(weights_of_another_type, 8),
    Kind(empty, 1),
    Kind(empty_with_its_hash, 1),
    Kind(a_folder, 1),
    Kind(unreadable, 1),
]


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Step 1, which is also the best, then step 2."""
    folder = tmp_path_factory.mktemp("generations")
    checkpoints.save(folder, LAST, content(1), 1, None)
    checkpoints.copy(folder, LAST, BEST)
    checkpoints.save(folder, LAST, content(2), 2, None)
    return folder


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.corrupt.__name__)
def test_a_corrupted_checkpoint_is_refused_and_the_one_before_it_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generations: Path, kind: Kind
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(kind.corrupt.__name__)
    for number in range(kind.times):
        folder = shutil.copytree(generations, tmp_path / str(number))
        kind.corrupt(folder, chance)

        found = checkpoints.find(folder, LAST)
        assert found is not None
        assert (found.path.name, weights_step(found)) == ("ckpt_last.prev.pt", 1), f"corruption {number} was not seen"
        assert len(found.rejected) == 1
        assert found.rejected[0].startswith(f"{folder / PT} ")
        assert "\n" not in found.rejected[0]

        (folder / "ckpt_last.prev.pt").write_bytes(b"bad, too")
        with pytest.raises(CheckpointError, match="no checkpoint can be used: "):
            checkpoints.find(folder, LAST)
        assert not SENTINEL.exists(), f"corruption {number} was executed"


def test_five_hundred_corruptions_are_tried() -> None:
    assert sum(kind.times for kind in KINDS) >= 500


def test_manifests_that_changed_places_do_not_mix_the_generations(tmp_path: Path, generations: Path) -> None:
    folder = shutil.copytree(generations, tmp_path / "run")
    swap(folder / JSON, folder / "ckpt_last.prev.json")
    found = checkpoints.find(folder, LAST)
    assert found is not None
    assert (found.path.name, weights_step(found)) == (PT, 2), "each is known by its hash"


def test_where_both_generations_are_bad_the_best_is_used(tmp_path: Path, generations: Path) -> None:
    folder = shutil.copytree(generations, tmp_path / "run")
    for name in (PT, "ckpt_last.prev.pt"):
        (folder / name).write_bytes(b"bad")
    found = checkpoints.find(folder, LAST, BEST)
    assert found is not None
    assert (found.path.name, weights_step(found), len(found.rejected)) == ("ckpt_best.pt", 1, 2)


def test_a_rejected_checkpoint_is_neither_copied_to_the_best_nor_kept(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(trainer: Trainer, *outputs: object) -> Outcome:
        raise KeyboardInterrupt

    folder = Path("outputs/tiny")
    train(tiny())
    (folder / PT).write_bytes(b"bad")
    (folder / f"{BEST}.pt").write_bytes(b"bad")
    monkeypatch.setattr(Trainer, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tiny())
    for stem in (LAST, BEST):
        found = checkpoints.find(folder, stem)
        assert found is not None
        assert (found.path.name, found.step, found.rejected) == (f"{stem}.pt", 8, [])


def test_eval_only_uses_the_one_before_and_leaves_the_files_as_they_are(tiny: Tiny) -> None:
    folder = Path("outputs/tiny")
    train(tiny())
    (folder / PT).write_bytes(b"bad")
    before = {path: path.read_bytes() for path in folder.glob("ckpt*")}
    train(tiny(train={"runtime": {"eval_only": True}}))
    assert {path: path.read_bytes() for path in folder.glob("ckpt*")} == before
