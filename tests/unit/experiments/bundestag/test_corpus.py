from __future__ import annotations

from pathlib import Path

import pytest

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.corpus import Corpus, files_below
from ml_playground.text.config import LayoutConfig, OnBadFile
from tests.unit.experiments.bundestag.protocols import old_xml, protocol_xml, tei

WRITTEN = "Präsidentin Bas:\nGuten Morgen!\n\nOtt (SPD):\nFrau Präsidentin! Ich fange an.\n\n"


def corpus(folder: Path, policy: OnBadFile = OnBadFile.stop, **layout: bool) -> Corpus:
    return Corpus("debates", files_below(folder), LayoutConfig(**layout), policy)


def documents(source: Corpus) -> list[str]:
    return [b"".join(chunks).decode() for chunks in source.documents()]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """All formats, under names that say nothing."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.xml").write_text(protocol_xml(5, "08.12.2021"), encoding="utf-16")
    (tmp_path / "b.XML").write_text(old_xml(1, "22.10.2013"), encoding="utf-8")
    (tmp_path / "sub" / "c.txt").write_text("\n" + tei(9, "1997-12-10"), encoding="utf-8-sig")
    (tmp_path / "sub" / "b.txt").write_bytes("Größe\r\n".encode("cp1252"))
    (tmp_path / "a.txt").write_text("Straße\n", encoding="utf-8")
    (tmp_path / ".hidden.txt").write_text("no", encoding="utf-8")
    (tmp_path / "readme.md").write_text("no", encoding="utf-8")
    (tmp_path / "x.dtd").write_text("no", encoding="utf-8")
    return tmp_path


def test_formats_are_told_apart_by_content_and_come_in_order_of_date_texts_last(mixed: Path) -> None:
    source = corpus(mixed)
    with_applause = WRITTEN.replace("!\n\nOtt", "!\n(Beifall)\n\nOtt").replace("an.\n\n", "an.\n(Beifall)\n\n")
    assert documents(source) == [WRITTEN, WRITTEN, with_applause, "Straße\n", "Größe\n"]
    assert documents(source) == documents(source)


def test_the_layout_reaches_the_text(mixed: Path) -> None:
    bare = documents(corpus(mixed, speakers=False, interjections=False))
    assert bare[2] == "Guten Morgen!\n\nFrau Präsidentin! Ich fange an.\n\n"
    assert "\nOtt:\n" in documents(corpus(mixed, parties=False))[0]


def test_the_fingerprint_follows_files_layout_and_policy(mixed: Path) -> None:
    sources = [corpus(mixed), corpus(mixed, parties=False), corpus(mixed, OnBadFile.skip)]
    assert corpus(mixed).fingerprint == sources[0].fingerprint
    (mixed / "a.txt").write_text("Strasse\n", encoding="utf-8")
    sources.append(corpus(mixed))
    (mixed / "a.txt").rename(mixed / "z.txt")
    sources.append(corpus(mixed))
    assert len({source.fingerprint for source in sources}) == 5


BAD = {
    "empty.txt": (b"", "is empty"),
    "empty.xml": (b"", "is empty"),
    "cut.xml": (protocol_xml(7, "09.12.2021")[:-30].encode(), "not well-formed XML"),
    "page.xml": (b"<html/>", "root element is 'html'"),
    "laughs.xml": (b'<!DOCTYPE x [<!ENTITY a "ha">]><dbtplenarprotokoll/>', "refers to entities"),
    "binary.txt": (b"\x7fELF\0", "is NUL"),
    "again.xml": (tei(9, "1997-12-10").encode(), "is session 13/9, as"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_stops_the_run_or_is_named_and_counted(
    mixed: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    whole = documents(corpus(mixed))
    content, problem = BAD[name]
    (mixed / "zzz").mkdir()
    path = mixed / "zzz" / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as error:
        documents(corpus(mixed))
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith('; or set [prepare] on_bad_file = "skip"')
    assert documents(corpus(mixed, OnBadFile.skip)) == whole
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"skipped: {path}: ")
    assert problem in first
    assert second == "skipped 1 of 6 files"


def test_where_every_file_is_bad_there_is_no_source(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="debates: none of its files can be read"):
        documents(corpus(tmp_path, OnBadFile.skip))


def test_a_single_bad_file_is_never_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<html/>", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.xml: its root element.*TEI$"):
        documents(corpus(tmp_path, OnBadFile.skip))


def test_a_folder_without_texts_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "readme.md").touch()
    with pytest.raises(DataError, match=r"holds no \.txt or \.xml file; put texts or protocols into it$"):
        files_below(tmp_path)


LONG = "So geht das nicht, und das wissen Sie. " * 60
TURNS = [
    ("Präsident Ott:", "Das Wort hat die Kollegin Berg."),
    ("Anna Berg (SPD):", LONG),
    ("Präsident Ott:", "Eine Zwischenfrage?"),
    ("Anna Berg (SPD):", "Ja."),
    ("Vizepräsidentin Dr. Graf:", "Danke."),
    ("Jo Kern (FDP):", LONG),
    ("Präsident Ott:", "Wir sind am Ende."),
]


def test_a_document_is_a_speech_with_what_introduces_it_in_whatever_format(tmp_path: Path) -> None:
    formats = {
        "a": protocol_xml(1, "26.10.2021", TURNS),
        "b": old_xml(2, "23.10.2013", TURNS),
        "c": tei(3, "1998-01-01", TURNS),
    }
    for name, text in formats.items():
        (tmp_path / f"{name}.xml").write_text(text, encoding="utf-8")
    source = corpus(tmp_path, interjections=False)
    first_words = [text.split("\n")[1] for text in documents(source)]
    assert first_words == ["Das Wort hat die Kollegin Berg.", "Eine Zwischenfrage?"] * 3
    assert all(text.endswith("\n\n") for text in documents(source))
    assert documents(source)[1].endswith("Präsident Ott:\nWir sind am Ende.\n\n")


def test_links_to_folders_are_followed_and_not_in_circles(
    mixed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = tmp_path_factory.mktemp("store")
    (store / "d.txt").write_text("elsewhere", encoding="utf-8")
    (mixed / "linked").symlink_to(store)
    (store / "back").symlink_to(mixed)
    (mixed / "nowhere.txt").symlink_to("gone")
    names = [str(path.relative_to(mixed)) for path in files_below(mixed)]
    assert "linked/d.txt" in names
    assert len(names) == 6
