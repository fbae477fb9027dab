"""Real plenary protocols in all formats: what the readers make of them, against counts made in other ways."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from itertools import groupby
from pathlib import Path

import pytest
from defusedxml import ElementTree

from ml_playground.experiments.bundestag.reader import read_session
from ml_playground.experiments.bundestag.session import Heading, Interjection, Paragraph, Session, Turn, render
from ml_playground.text.config import LayoutConfig

DATES = {
    "xml/01143.xml": (1, 143, date(1951, 5, 23)),
    "xml/18181.xml": (18, 181, date(2016, 6, 28)),
    "xml/19001-data.xml": (19, 1, date(2017, 10, 24)),
    "xml/20001-data.xml": (20, 1, date(2021, 10, 26)),
    "xml/20005-data.xml": (20, 5, date(2021, 12, 8)),
    "xml/21001-data.xml": (21, 1, date(2025, 3, 25)),
    "xml/21002-data.xml": (21, 2, date(2025, 5, 6)),
    "xml/21003-data.xml": (21, 3, date(2025, 5, 14)),
    "tei/BT_13_209.xml": (13, 209, date(1997, 12, 10)),
    "tei/BT_15_108.xml": (15, 108, date(2004, 5, 6)),
    "tei/BT_18_177.xml": (18, 177, date(2016, 6, 10)),
    "tei/BT_18_181.xml": (18, 181, date(2016, 6, 28)),
}
PROTOCOLS = [name for name in DATES if name.endswith("-data.xml")]
UMLAUTS = ["für", "können", "Präsident", "gemäß"]


def labels(session: Session) -> list[str]:
    """The label of each turn, as it is written."""
    alone = [render(Session(1, 1, session.date, (Turn(turn.speaker, (Paragraph("."),)),))) for turn in session.turns]
    return [text.partition(":\n")[0] for text in alone]


def sitting_of(path: Path) -> str:
    """The source between the tags of the sitting, blanks as one."""
    text = path.read_bytes().decode("utf-8-sig").replace("\u202f", " ").replace("\xa0", " ").replace("\xad", "")
    return re.sub(r"\s+", " ", text.partition("<sitzungsverlauf>")[2].partition("</sitzungsverlauf>")[0])


def without_tags(text: str) -> str:
    return re.sub(r"<[^>]*>", "", text).strip(" :")


@pytest.mark.parametrize("name", DATES)
def test_every_real_file_is_read_with_its_date_and_its_umlauts(shared: Path, name: str) -> None:
    session = read_session(shared / "bundestag" / name)
    assert (session.term, session.number, session.date) == DATES[name]
    text = render(session)
    assert not re.search("\ufffd|Ã|\u00ad|\ufeff|\xa0|  |\t|\r", text)
    missing = [word for word in UMLAUTS if word not in text]
    assert not missing
    assert all(turn.speaker for turn in session.turns)


def test_there_are_no_other_real_files(shared: Path) -> None:
    folder = shared / "bundestag"
    assert {str(path.relative_to(folder)) for path in folder.glob("*/*.xml")} == set(DATES)


@pytest.mark.parametrize(
    ("name", "turns", "chair"), [("19001", 30, 16), ("20001", 38, 20), ("21003", 388, 153), ("20005", 55, 28)]
)
def test_turns_are_those_that_the_source_labels(shared: Path, name: str, turns: int, chair: int) -> None:
    path = shared / "bundestag" / "xml" / f"{name}-data.xml"
    found = re.finditer(
        r'<p klasse="redner">(?:(?!</p>).)*<redner.*?</redner>(.*?)</p>|<name>([^<]+)</name>|<p klasse="N">([^<]+)</p>',
        sitting_of(path),
    )
    # A label left empty repeats the one before it.
    printed = [label for match in found if (label := without_tags("".join(filter(None, match.groups()))))]
    expected = [label for label, _ in groupby(printed)]
    session = read_session(path)
    assert labels(session) == expected
    assert len(session.turns) == turns
    assert sum(turn.speaker.chair for turn in session.turns if turn.speaker) == chair
    assert sum("räsident" in label.split()[0] for label in expected) == chair


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_paragraph_or_interjection_is_lost_or_added(shared: Path, name: str) -> None:
    path = shared / "bundestag" / name
    sitting = re.sub("<fussnote>.*?</fussnote>", "", sitting_of(path))
    sitting = re.sub(r"\(Schluss: [^<]*", "", sitting)
    paragraphs = re.findall(r'<p(?: klasse="(?!redner|N)[^"]*")?>(.*?)</p>', sitting)
    content = [part for turn in read_session(path).turns for part in turn.content]
    lines = (Paragraph, Heading)
    breaks = [text for text in map(without_tags, paragraphs) if re.fullmatch(r"\(Unterbrechung[^()]*\)", text)]
    assert sum(isinstance(part, lines) for part in content) + len(breaks) == sum(
        bool(without_tags(text)) for text in paragraphs
    )
    titles = [without_tags(text) for text in re.findall(r'<p klasse="T[^"]*">(.*?)</p>', sitting)]
    # "Ich rufe den Tagesordnungspunkt 1 auf:" is of such a class too, and said.
    headings = [text for text in titles if text and not re.search(r"\b(auf|rufe)\b.*\b(rufe|auf)$|\.$", text)]
    assert sum(isinstance(part, Heading) for part in content) == len(headings)
    assert sum(isinstance(part, Interjection) for part in content) == sitting.count("<kommentar>") + len(breaks)
    plain = re.sub("<sup>[0-9]</sup>", "", sitting)
    expected = sum(
        len("".join(without_tags(text).split()))
        for text in [*re.findall("<kommentar>(.*?)</kommentar>", plain), *breaks]
    )
    assert sum(len("".join(part.text.split())) for part in content if isinstance(part, Interjection)) == expected


@pytest.mark.parametrize("name", PROTOCOLS)
def test_names_of_roll_calls_are_absent(shared: Path, name: str) -> None:
    path = shared / "bundestag" / name
    lists = {
        " ".join("".join(element.itertext()).split())
        for element in ElementTree.fromstring(path.read_bytes()).iter("p")
        if element.get("klasse", "").startswith("AL_")
    }
    assert len(lists) > 300 or name == "xml/21003-data.xml"
    assert not lists & set(render(read_session(path)).splitlines())


@pytest.mark.parametrize("name", DATES)
def test_pages_contents_and_annexes_leave_no_trace(shared: Path, name: str) -> None:
    text = render(read_session(shared / "bundestag" / name))
    contents = r"^Inhalt:|Stenogra(f|ph)ischer Bericht|\. \. \. \."
    assert not re.findall(
        rf"{contents}|Wahlperiode [–—] |^\([A-D]\)|entschuldigt bis|Schlu(ss|ß).*Uhr\)", text, re.MULTILINE
    )


def test_no_running_head_is_left_in_scanned_pages(shared: Path) -> None:
    path = shared / "bundestag/xml/01143.xml"
    heads = set(re.findall(r"\n\n(\([^\n]*\))\n", path.read_text(encoding="utf-8")))
    assert len(heads) >= 10
    lines = Counter(render(read_session(path)).splitlines())
    assert not [head for head in heads if lines[head]]


def test_turns_of_a_scanned_protocol_are_those_that_it_labels(shared: Path) -> None:
    path = shared / "bundestag/xml/01143.xml"
    text = path.read_text(encoding="utf-8").partition("eröffnet.\n")[2]
    chair = re.findall(r"^(?:Vizepräsident|Präsident) Dr\. \w+ ?:", text, re.MULTILINE)
    members = re.findall(
        r"^[\w. ]+(?: \(Frankfurt\))?(?: \([A-Z]+\)(?:, Antragsteller)?|, '?(?:Bundesminister[\w ]*|Schriftführer)) ?:",
        text,
        re.MULTILINE,
    )
    session = read_session(path)
    assert (len(chair), len(members)) == (34, 33)
    assert len(session.turns) == 67
    assert sum(turn.speaker.chair for turn in session.turns if turn.speaker) == 34


def shingles(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    return Counter(zip(*(words[start:] for start in range(5)), strict=False))


def test_one_sitting_reads_the_same_from_two_formats(shared: Path) -> None:
    """All words agree, in all turns. What differs is where a few paragraphs end, and one bracket that the source does
    not close: it ends the interjection where its print ends in the one, and is part of the speech in the other.
    """
    old = read_session(shared / "bundestag/xml/18181.xml")
    tei = read_session(shared / "bundestag/tei/BT_18_181.xml")
    assert labels(old) == labels(tei)
    assert [turn.speaker for turn in old.turns] == [turn.speaker for turn in tei.turns]
    for layout in (LayoutConfig(), LayoutConfig(speakers=False, interjections=False)):
        here, there = shingles(render(old, layout)), shingles(render(tei, layout))
        common = (here & there).total()
        assert common >= 0.995 * here.total()
        assert common >= 0.995 * there.total()


def test_words_torn_at_line_ends_are_whole(shared: Path) -> None:
    source = (shared / "bundestag/xml/18181.xml").read_text(encoding="utf-8")
    sitting = source.partition("Beginn: 10.30 Uhr")[2].partition("(Schluss:")[0]
    torn = re.findall(r"(\w+)-\n([a-zäöüß]\w*)", sitting)
    text = render(read_session(shared / "bundestag/xml/18181.xml"))
    words = set(re.findall(r"\w+", text))
    split = [(left, right) for left, right in torn if right not in {"und", "oder"}]
    assert len(split) > 400
    assert not [left + right for left, right in split if left + right not in words]
    known = set(re.findall(r"\w+", (shared / "bundestag/tei/BT_18_181.xml").read_text(encoding="utf-8")))
    assert not [left + right for left, right in split if left + right not in known]
    assert "Außen- und Sicherheitspolitik" in text
    assert "BÜNDNIS 90/DIE GRÜNEN" in text
    assert not re.findall(r"\w- (?!und |oder )\w+", text)
    assert "ausgezahlt werden, noch vor" in render(read_session(shared / "bundestag/xml/01143.xml"))


@pytest.mark.parametrize("name", DATES)
def test_the_numbers_of_printed_papers_are_no_speech(shared: Path, name: str) -> None:
    said = render(read_session(shared / "bundestag" / name), LayoutConfig(interjections=False))
    assert not re.findall(r"(?m)^Drucksachen? \d+/\d+$", said)
