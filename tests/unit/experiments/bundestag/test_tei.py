from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.reader import read_session
from ml_playground.experiments.bundestag.session import render
from ml_playground.text.config import LayoutConfig

CHAIR = (
    '<sp who="Dr. Rita Süssmuth" parliamentary_group="NA" role="presidency" position="Präsidentin" party="CDU"'
    ' name="Rita Süssmuth">{}<p>Guten Morgen! </p><stage type="interjection">(Beifall -- Zuruf)</stage></sp>'
)
MEMBER = (
    '<sp who="Karl Haack" parliamentary_group="SPD" role="mp" position="NA" party="SPD" name="Karl Haack">{}'
    "<p>Das kann ich nicht be- stätigen - nein -, Frau Präsidentin.</p></sp>"
)
MINISTER = (
    '<sp who="Volker Rühe" parliamentary_group="NA" role="government" position="Bundesminister" party="CDU">{}'
    "<p>Ja.</p></sp>"
)


def tei(turns: str, root: str = "TEI") -> str:
    return (
        f"<{root}><teiHeader><fileDesc><titleStmt><legislativePeriod>13</legislativePeriod><sessionNo>209</sessionNo>"
        '</titleStmt><publicationStmt><date when="">1997-12-10</date></publicationStmt>'
        "<sourceDesc><date>2015-10-20 19:19:29</date></sourceDesc></fileDesc></teiHeader>"
        f'<text><body><div type="agenda_item" desc="Befragung">{turns}</div></body></text></TEI>'
    )


@pytest.mark.parametrize("root", ["TEI", 'TEI xmlns="http://www.tei-c.org/ns/1.0"'])
def test_turns_with_their_printed_labels(tmp_path: Path, root: str) -> None:
    path = tmp_path / "tei.xml"
    turns = CHAIR.format("<speaker>Präsidentin Dr. Rita Süssmuth:</speaker>")
    turns += MEMBER.format("<speaker>Karl Haack  (Extertal) (SPD):</speaker>")
    turns += MINISTER.format("<speaker>Volker Rühe, Bundesminister:</speaker>")
    path.write_text(tei(turns, root), encoding="utf-8")
    session = read_session(path)
    assert (session.term, session.number, session.date) == (13, 209, date(1997, 12, 10))
    assert [turn.speaker.chair for turn in session.turns if turn.speaker] == [True, False, False]
    assert render(session) == (
        "Präsidentin Dr. Rita Süssmuth:\nGuten Morgen!\n(Beifall – Zuruf)\n\n"
        "Karl Haack (Extertal) (SPD):\nDas kann ich nicht bestätigen – nein –, Frau Präsidentin.\n\n"
        "Volker Rühe, Bundesminister:\nJa.\n\n"
    )


def test_attributes_stand_in_for_a_missing_label(tmp_path: Path) -> None:
    path = tmp_path / "tei.xml"
    turns = CHAIR.format("") + MEMBER.format("") + MINISTER.format("") + "<sp who='NA'><p>Unbekannt.</p></sp>"
    path.write_text(tei(turns), encoding="utf-8")
    labels = [line for line in render(read_session(path)).splitlines() if line.endswith(":")]
    assert labels == ["Präsidentin Dr. Rita Süssmuth:", "Karl Haack (SPD):", "Volker Rühe, Bundesminister:"]


def test_a_file_without_a_body_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tei.xml"
    path.write_text("<TEI/>", encoding="utf-8")
    with pytest.raises(DataError, match=r"tei\.xml: has no element 'text/body'"):
        read_session(path)


def test_interjections_are_such_wherever_they_stand_and_words_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "tei.xml"
    turn = CHAIR.format("<speaker>Präsidentin Dr. Süssmuth:</speaker>").replace(
        "<p>Guten Morgen! </p>", "<p>Guten<lb/>Morgen! <stage>(Zuruf)</stage> Ja.</p><p>(Heiterkeit)</p>"
    )
    path.write_text(tei(turn), encoding="utf-8")
    session = read_session(path)
    assert render(session).splitlines()[1:-1] == [
        "Guten Morgen!",
        "(Zuruf)",
        "Ja.",
        "(Heiterkeit)",
        "(Beifall – Zuruf)",
    ]
    assert render(session, LayoutConfig(interjections=False)).splitlines()[1:-1] == ["Guten Morgen!", "Ja."]


def test_headings_below_the_chairs_call_and_numbers_of_papers_are_no_speech(tmp_path: Path) -> None:
    path = tmp_path / "tei.xml"
    turn = CHAIR.format("<speaker>Präsidentin Dr. Süssmuth:</speaker>").replace(
        "<p>Guten Morgen! </p>",
        "<p>Ich rufe den Tagesordnungspunkt 2 auf:</p><p>Beratung des Antrags</p><p>Drucksache 13/9299</p>"
        "<p>Bitte sehr.</p><p>Noch etwas</p>",
    )
    path.write_text(tei(turn), encoding="utf-8")
    said = render(read_session(path), LayoutConfig(interjections=False)).splitlines()[1:-1]
    assert said == ["Ich rufe den Tagesordnungspunkt 2 auf:", "Bitte sehr.", "Noch etwas"]
