from __future__ import annotations

from pathlib import Path

import pytest

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.reader import read_session

ROOT = '<dbtplenarprotokoll wahlperiode="20" sitzung-nr="5" sitzung-datum="08.12.2021">'
SITTING = f"{ROOT}<sitzungsverlauf><p>{{}}</p></sitzungsverlauf></dbtplenarprotokoll>"
LAUGHS = "".join(f'<!ENTITY lol{level} "{f"&lol{level - 1};" * 10}">' for level in range(1, 10))


def refused(path: Path, content: bytes | str, problem: str) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=problem) as error:
        read_session(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("doctype", "text"),
    [
        (f'<!DOCTYPE x [<!ENTITY lol0 "lol">{LAUGHS}]>', "&lol9;"),
        ('<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>', "&file;"),
        ('<!DOCTYPE x [<!ENTITY file SYSTEM "http://127.0.0.1:9/x">]>', "&file;"),
        ('<!DOCTYPE x [<!ENTITY % dtd SYSTEM "http://127.0.0.1:9/x.dtd"> %dtd;]>', "Ja."),
        ('<!DOCTYPE x [<!ENTITY harmless "Ja.">]>', "Ja."),
        ('<!DOCTYPE x [<!NOTATION n SYSTEM "n"><!ENTITY image SYSTEM "image.gif" NDATA n>]>', "Ja."),
    ],
    ids=["billion laughs", "file", "network", "parameter", "unused", "unparsed"],
)
def test_entities_are_refused(tmp_path: Path, doctype: str, text: str) -> None:
    refused(tmp_path / "x.xml", doctype + SITTING.format(text), "entities, which are not read for safety")


def test_an_entity_of_a_dtd_elsewhere_is_not_fetched_but_refused(tmp_path: Path) -> None:
    (tmp_path / "x.dtd").write_text('<!ENTITY who "Niemand">', encoding="utf-8")
    doctype = f'<!DOCTYPE dbtplenarprotokoll SYSTEM "{(tmp_path / "x.dtd").as_uri()}">'
    refused(tmp_path / "x.xml", doctype + SITTING.format("&who;"), "not well-formed XML.*undefined entity")


def test_a_dtd_is_named_by_real_files_and_not_fetched(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    doctype = '<!DOCTYPE dbtplenarprotokoll SYSTEM "http://127.0.0.1:9/dbtplenarprotokoll.dtd">'
    path.write_text(doctype + SITTING.format("Ja."), encoding="utf-8")
    assert len(read_session(path).turns) == 1


@pytest.mark.parametrize("content", [b"", b" \r\n"])
def test_an_empty_file(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path / "x.xml", content, "is empty")


@pytest.mark.parametrize(
    "content",
    [
        "Präsident Ott:\nGuten Morgen!",
        "<dbtplenarprotokoll><sitzungsverlauf>",
        SITTING.format("Ja.") + "<p/>",
        SITTING.format("Fu\0r"),
        SITTING.format("Für").encode("cp1252"),
        b"PK\x03\x04",
        '<?xml version="1.0" encoding="klingon"?>' + SITTING.format("Ja."),
        b'<?xml version="1.0" encoding="big5"?>' + SITTING.format("Ja.").encode(),
    ],
    ids=["text", "cut off", "two roots", "NUL", "cp1252", "zip", "unknown", "multi-byte"],
)
def test_malformed_files_and_wrong_encodings(tmp_path: Path, content: bytes | str) -> None:
    refused(tmp_path / "x.xml", content, "not well-formed XML in its declared encoding")


@pytest.mark.parametrize("text", ["Fu\ufffdr", "FÃ¼r", "StraÃŸe", "Ãœber"])
def test_garbled_umlauts(tmp_path: Path, text: str) -> None:
    refused(tmp_path / "x.xml", SITTING.format(text), "umlauts are garbled")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_declared_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.xml"
    declared = encoding.removesuffix("-sig")
    path.write_bytes(f'<?xml version="1.0" encoding="{declared}"?>{SITTING.format("Für")}'.encode(encoding))
    assert "Für" in str(read_session(path))


def test_other_documents(tmp_path: Path) -> None:
    refused(tmp_path / "x.xml", "<html/>", "root element is 'html', which is none of dbtplenarprotokoll, DOKUMENT, TEI")


def test_nesting_without_end(tmp_path: Path) -> None:
    deep = "<rede>" * 50_000 + "</rede>" * 50_000
    refused(
        tmp_path / "x.xml", f"{ROOT}<sitzungsverlauf>{deep}</sitzungsverlauf></dbtplenarprotokoll>", "nested more than"
    )


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.xml", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            read_session(path)
