from __future__ import annotations

import dataclasses
import json
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.dataset.prepare import find_dataset, fingerprint, prepare_dataset
from ml_playground.dataset.prepared import Meta, open_dataset
from ml_playground.errors import DataError
from ml_playground.text.config import BUILT_IN_TOKENIZERS, PrepareConfig
from ml_playground.text.ids import END_OF_TEXT
from ml_playground.text.source import TextInMemory

TEXT = "Über den Haushalt reden wir morgen.\n" * 50


@pytest.fixture
def config(workspace: Path) -> PrepareConfig:
    return PrepareConfig(preparer="test", dataset_dir=workspace / "data" / "set")


def test_the_files_have_nanogpts_layout(config: PrepareConfig) -> None:
    dataset = prepare_dataset(config, TextInMemory("a text", TEXT))
    vocabulary = sorted(set(TEXT))
    cut = int(len(TEXT) * 0.9)
    for split, text in (("train", TEXT[:cut]), ("val", TEXT[cut:])):
        ids = np.fromfile(dataset.folder / f"{split}.bin", dtype="<u2")
        assert "".join(vocabulary[token] for token in bytes(ids)[::2]) == text
    meta = json.loads((dataset.folder / "meta.json").read_text(encoding="utf-8"))
    assert meta["vocab_size"] == len(vocabulary) + 1  # the end of a text
    assert (meta["train_tokens"], meta["val_tokens"], meta["characters"]) == (cut, len(TEXT) - cut, len(TEXT))
    assert meta["val_bytes"] == len(TEXT[cut:].encode())
    assert (meta["documents"], meta["val_documents"], meta["split_seed"]) == (1, [], None)
    assert sorted(path.name for path in dataset.folder.iterdir()) == ["meta.json", "train.bin", "val.bin"]


def test_large_vocabularies_take_32_bits(config: PrepareConfig) -> None:
    text = "".join(chr(point) for point in range(0x20, 0x12000) if not 0xD800 <= point < 0xE000)
    dataset = prepare_dataset(config, TextInMemory("many characters", text))
    assert dataset.meta.dtype == "<u4"
    assert dataset.tokenizer.decode(dataset.tokens("train").tolist()) == text[: int(len(text) * 0.9)]


class TextInPieces(TextInMemory):
    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.text), 7):
            yield self.text[start : start + 7].encode()


@pytest.mark.parametrize("kind", ["char", "char_ngram", "bpe"])
def test_a_text_in_pieces_gives_the_same_files(workspace: Path, kind: str) -> None:
    a = PrepareConfig(preparer="a", dataset_dir=workspace / "a", tokenizer=kind)
    b = PrepareConfig(preparer="b", dataset_dir=workspace / "b", tokenizer=kind)
    whole = prepare_dataset(a, TextInMemory("x", TEXT))
    parts = prepare_dataset(b, TextInPieces("x", TEXT))
    assert whole.meta.tokenizer["kind"] == kind
    for name in ("train.bin", "val.bin", "meta.json"):
        assert (whole.folder / name).read_bytes() == (parts.folder / name).read_bytes()


def test_without_a_folder_the_dataset_lies_under_its_fingerprint_and_is_shared(workspace: Path) -> None:
    config = PrepareConfig(preparer="test")
    dataset = prepare_dataset(config, TextInMemory("x", TEXT))
    assert dataset.folder == Path("outputs/data") / f"test-{dataset.meta.fingerprint[:12]}"
    other = prepare_dataset(config, TextInMemory("x", TEXT + "!"))
    assert other.folder != dataset.folder


def test_unchanged_data_is_not_made_again(config: PrepareConfig) -> None:
    first = prepare_dataset(config, TextInMemory("x", TEXT))
    before = (first.folder / "train.bin").stat().st_mtime_ns
    assert prepare_dataset(config, TextInMemory("x", TEXT)) == first
    assert (first.folder / "train.bin").stat().st_mtime_ns == before


@dataclass(frozen=True)
class Texts:
    """A source of several documents, some of them in pieces."""

    texts: list[str]
    description: str = "texts"
    fingerprint: str = "1"

    def documents(self) -> Iterator[Iterator[bytes]]:
        for text in self.texts:
            yield (part.encode() for part in (text[:5], text[5:]) if part)


LETTERS = [chr(ord("a") + place) * (place + 1) for place in range(26)]


@pytest.mark.parametrize("kind", ["char", "char_ngram", "bpe"])
def test_documents_are_whole_in_one_split_and_end_with_the_token_for_it(config: PrepareConfig, kind: str) -> None:
    config.tokenizer = kind
    dataset = prepare_dataset(config, Texts(LETTERS))
    meta, decode = dataset.meta, dataset.tokenizer.decode
    val = [LETTERS[place] for place in meta.val_documents]
    train = [text for text in LETTERS if text not in val]
    assert decode(dataset.tokens("train").tolist()) == "".join(text + END_OF_TEXT for text in train)
    assert decode(dataset.tokens("val").tolist()) == "".join(text + END_OF_TEXT for text in val)
    assert (meta.documents, meta.split_seed) == (26, 1337)
    assert meta.characters == sum(map(len, LETTERS))
    assert meta.val_bytes == sum(map(len, val))
    assert 0.05 * meta.characters < meta.val_bytes <= 0.1 * meta.characters


def test_the_split_follows_its_seed(workspace: Path) -> None:
    first, again, other = (
        prepare_dataset(PrepareConfig(dataset_dir=workspace / name, split_seed=seed), Texts(LETTERS)).meta
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.val_documents == again.val_documents != other.val_documents
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert other.split_seed == 2


def test_no_documents_are_too_little(config: PrepareConfig) -> None:
    with pytest.raises(DataError, match="texts: 0 characters are too few"):
        prepare_dataset(config, Texts([]))


def test_bits_per_byte_are_those_of_the_text(config: PrepareConfig) -> None:
    dataset = prepare_dataset(config, TextInMemory("x", "ä" * 100))
    assert dataset.bits_per_byte(math.log(2)) == pytest.approx(0.5)  # a bit a character, which has two bytes


def test_a_dataset_of_an_older_version_is_made_anew(config: PrepareConfig) -> None:
    dataset = prepare_dataset(config, TextInMemory("x", TEXT))
    path = dataset.folder / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "format": 1}), encoding="utf-8")
    assert prepare_dataset(config, TextInMemory("x", TEXT)) == dataset


@pytest.mark.parametrize("change", ["text", "fraction"])
def test_changed_data_replaces_what_was_there(config: PrepareConfig, change: str) -> None:
    first = prepare_dataset(config, TextInMemory("x", TEXT))
    text = TEXT + "Neu!" if change == "text" else TEXT
    if change == "fraction":
        config.val_fraction = 0.5
    source = TextInMemory("x", text)
    assert find_dataset(config, source) is None
    second = prepare_dataset(config, source)
    assert second.folder == first.folder
    assert second.meta != first.meta
    assert [path.name for path in second.folder.parent.iterdir() if not path.name.endswith(".lock")] == ["set"]


def test_the_fingerprint_follows_the_settings_of_the_chosen_tokenizer_alone() -> None:
    source = TextInMemory("x", TEXT)
    kinds: dict[str, set[str]] = {}
    for kind in set(BUILT_IN_TOKENIZERS) - {"hf"}:  # which needs a model
        same = PrepareConfig(preparer="other", tokenizer=kind)
        changed = [
            PrepareConfig(tokenizer=kind, ngram=3),
            PrepareConfig(tokenizer=kind, encoding="o200k_base"),
            PrepareConfig(tokenizer=kind, vocab_size=300),
        ]
        kinds[kind] = {fingerprint(config, source) for config in (same, *changed)}
    assert {kind: len(digests) for kind, digests in kinds.items()} == {
        "char": 1, "char_ngram": 2, "tiktoken": 2, "bpe": 2,
    }  # fmt: skip
    assert len(set[str]().union(*kinds.values())) == 7


def test_other_files_of_a_folder_stay(config: PrepareConfig) -> None:
    folder = config.dataset_dir
    assert folder is not None
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("precious", encoding="utf-8")
    (folder / "figures").mkdir()
    for text in (TEXT, TEXT + "Neu!"):
        prepare_dataset(config, TextInMemory("x", text))
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["figures", "meta.json", "thesis.txt", "train.bin", "val.bin"]
    assert (folder / "thesis.txt").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("name", ["train.bin", "val.bin", "meta.json"])
@pytest.mark.parametrize("ours", [False, True], ids=["beside nothing of ours", "in place of ours"])
def test_a_foreign_file_with_our_name_is_never_replaced(config: PrepareConfig, name: str, ours: bool) -> None:
    folder = config.dataset_dir
    assert folder is not None
    folder.mkdir(parents=True)
    if ours:
        prepare_dataset(config, TextInMemory("x", TEXT))
    (folder / name).write_bytes(b"nanoGPT's")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(DataError, match=rf"{name}: .*another folder in \[prepare\] dataset_dir, or move"):
        prepare_dataset(config, TextInMemory("x", TEXT + "Neu!"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


class TextThatBreaks(TextInMemory):
    reads = 0

    def chunks(self) -> Iterator[bytes]:
        object.__setattr__(self, "reads", self.reads + 1)
        yield self.text[:500].encode()
        if self.reads > 1:  # trained on, and now half encoded
            raise DataError("the disk is gone")
        yield self.text[500:].encode()


def test_a_source_that_breaks_leaves_nothing_behind(config: PrepareConfig) -> None:
    assert config.dataset_dir is not None
    with pytest.raises(DataError, match="the disk is gone"):
        prepare_dataset(config, TextThatBreaks("x", TEXT))
    assert [path.name for path in config.dataset_dir.parent.iterdir()] == [".set.lock"]


def test_what_a_killed_process_left_is_replaced(config: PrepareConfig) -> None:
    assert config.dataset_dir is not None
    partial = config.dataset_dir.with_name(".set.partial")
    partial.mkdir(parents=True)
    (partial / "train.bin").write_bytes(b"half")
    dataset = prepare_dataset(config, TextInMemory("x", TEXT))
    assert dataset.meta.characters == len(TEXT)
    assert not partial.exists()


def test_two_that_start_together_prepare_once(config: PrepareConfig) -> None:
    made: list[object] = []
    threads = [
        threading.Thread(target=lambda: made.append(prepare_dataset(config, TextInMemory("x", TEXT)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert all(dataset == made[0] for dataset in made)


def test_a_text_too_short_to_split_is_refused(config: PrepareConfig) -> None:
    with pytest.raises(DataError, match="1 characters are too few"):
        prepare_dataset(config, TextInMemory("x", "a"))


def test_a_cut_file_is_noticed(config: PrepareConfig) -> None:
    dataset = prepare_dataset(config, TextInMemory("x", TEXT))
    path = dataset.folder / "train.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match=r"train\.bin: has \d+ bytes of \d+; delete"):
        open_dataset(dataset.folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}', '{"format": 2, "more": 2}'])
def test_a_damaged_meta_is_named(config: PrepareConfig, content: str) -> None:
    dataset = prepare_dataset(config, TextInMemory("x", TEXT))
    (dataset.folder / "meta.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"meta\.json: is not a dataset's meta file"):
        open_dataset(dataset.folder)


def test_an_empty_folder_holds_no_dataset(workspace: Path) -> None:
    with pytest.raises(DataError, match="no prepared dataset here"):
        open_dataset(workspace)


ENTRY = st.none() | st.integers() | st.text(max_size=4) | st.booleans() | st.floats() | st.lists(st.integers())


@given(st.binary(max_size=60) | st.tuples(st.sampled_from([field.name for field in dataclasses.fields(Meta)]), ENTRY))
def test_a_meta_file_of_any_content_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, change: bytes | tuple[str, object]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-meta"
    config = PrepareConfig(dataset_dir=folder)
    if not (folder / "good.json").exists():
        (prepare_dataset(config, TextInMemory("x", TEXT)).folder / "meta.json").rename(folder / "good.json")
    good = json.loads((folder / "good.json").read_text(encoding="utf-8"))
    content = change if isinstance(change, bytes) else json.dumps({**good, change[0]: change[1]}).encode()
    (folder / "meta.json").write_bytes(content)
    try:
        dataset = open_dataset(folder)
        assert len(dataset.tokens("train")) + len(dataset.tokens("val")) == len(TEXT)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017  # the content may as well be good


def test_a_token_file_that_is_damaged_is_not_trained_on(config: PrepareConfig) -> None:
    dataset = prepare_dataset(config, TextInMemory("x", TEXT))
    path = dataset.folder / "train.bin"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"train\.bin: is damaged, or not what meta\.json says"):
        open_dataset(dataset.folder)
