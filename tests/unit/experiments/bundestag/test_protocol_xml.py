from __future__ import annotations

from datetime import date
from pathlib import Path
from textwrap import dedent

import pytest

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.reader import read_session
from ml_playground.experiments.bundestag.session import Session, Speaker, render
from ml_playground.text.config import LayoutConfig

LABEL = (
    '<p klasse="redner"><redner id="1"><name><vorname>Ann</vorname><nachname>Ott</nachname><fraktion>SPD</fraktion>'
    "</name></redner>{}</p>"
)


def protocol(sitting: str, attributes: str = 'wahlperiode="20" sitzung-nr="5" sitzung-datum="08.12.2021"') -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE dbtplenarprotokoll SYSTEM "dbtplenarprotokoll.dtd">\n'
        f"<dbtplenarprotokoll {attributes}><vorspann><p>Inhalt: Wahl</p></vorspann>"
        f"<sitzungsverlauf>{dedent(sitting)}</sitzungsverlauf>"
        "<anlagen><anlage><p>Entschuldigte</p></anlage></anlagen>"
        "<rednerliste><redner id='1'><name><nachname>Liste</nachname></name></redner></rednerliste>"
        "</dbtplenarprotokoll>"
    )


def read(tmp_path: Path, sitting: str, **options: str) -> Session:
    path = tmp_path / "protocol.xml"
    path.write_text(protocol(sitting, **options), encoding="utf-8")
    return read_session(path)


def text(tmp_path: Path, sitting: str) -> str:
    return render(read(tmp_path, sitting))


def test_speeches_loose_paragraphs_and_the_chair_in_between(tmp_path: Path) -> None:
    sitting = f"""
        <sitzungsbeginn sitzung-start-uhrzeit="9:00"><name>Präsidentin Bärbel Bas:</name>
        <p klasse="J_1">Guten Morgen!</p></sitzungsbeginn>
        <tagesordnungspunkt><p klasse="J">Ich rufe auf:</p><p klasse="T_fett">Wahl</p>
        <rede id="ID1">{LABEL.format("Ann Ott (SPD):")}<p klasse="J_1">Frau Präsidentin!</p>
        <kommentar>(Beifall)</kommentar><p klasse="O">Danke.</p>
        <name>Präsidentin Bärbel Bas:</name><p klasse="J_1">Bitte.</p></rede>
        <p klasse="J">Wir stimmen ab.</p></tagesordnungspunkt>
        <p klasse="T_Beratung">(Schluss: 13.52\xa0Uhr)</p><sitzungsende sitzung-ende-uhrzeit="13:52"/>"""
    session = read(tmp_path, sitting)
    assert (session.term, session.number, session.date) == (20, 5, date(2021, 12, 8))
    assert render(session) == (
        "Präsidentin Bärbel Bas:\nGuten Morgen!\nIch rufe auf:\n\n"
        "Ann Ott (SPD):\nFrau Präsidentin!\n(Beifall)\nDanke.\n\n"
        "Präsidentin Bärbel Bas:\nBitte.\nWir stimmen ab.\n\n"
    )


def test_a_missing_printed_label_is_made_from_the_parts(tmp_path: Path) -> None:
    parts = (
        '<p klasse="redner"><redner id="1"><name><titel>Dr.</titel><vorname>Ann</vorname>'
        "<namenszusatz>von</namenszusatz><nachname>Ott</nachname><ortszusatz>(Hof)</ortszusatz>{}</name></redner></p><p>Ja.</p>"
    )
    role = "<rolle><rolle_lang>Bundesministerin\xa0der Justiz</rolle_lang><rolle_kurz>BMJ</rolle_kurz></rolle>"
    assert text(tmp_path, parts.format("<fraktion>BÜNDNIS\xa090/DIE GRÜNEN</fraktion>")) == (
        "Dr. Ann von Ott (Hof) (BÜNDNIS 90/DIE GRÜNEN):\nJa.\n\n"
    )
    assert text(tmp_path, parts.format(role)) == "Dr. Ann von Ott (Hof), Bundesministerin der Justiz:\nJa.\n\n"


def test_the_office_of_the_chair_is_not_taken_for_a_first_name(tmp_path: Path) -> None:
    chair = (
        '<p klasse="redner"><redner id="1"><name><vorname>Alterspräsident Dr. Hermann</vorname>'
        "<nachname>Otto Solms</nachname><rolle><rolle_lang>Alterspräsident</rolle_lang></rolle></name></redner></p>"
    )
    (turn,) = read(tmp_path, f"<rede id='1'>{chair}<p>Guten Morgen!</p></rede>").turns
    assert turn.speaker == Speaker("Dr. Hermann Otto Solms", role="Alterspräsident", chair=True)


def test_a_redner_without_a_name_changes_nothing(tmp_path: Path) -> None:
    empty = '<p klasse="redner"><redner id="1"><name/></redner></p>'
    assert text(tmp_path, f"<name>Präsidentin Bas:</name>{empty}<p>Ja.</p>") == "Präsidentin Bas:\nJa.\n\n"


@pytest.mark.parametrize("label", ["Präsidentin Bärbel Bas: ", "Präsidentin Bärbel Bas"])
def test_class_n_is_the_chair(tmp_path: Path, label: str) -> None:
    sitting = f'{LABEL.format("Ann Ott (SPD):")}<p klasse="J">Ja.</p><p klasse="N">{label}</p><p klasse="J_1">Gut.</p>'
    assert text(tmp_path, sitting) == "Ann Ott (SPD):\nJa.\n\nPräsidentin Bärbel Bas:\nGut.\n\n"


def test_class_n_that_names_nobody_is_text(tmp_path: Path) -> None:
    assert text(tmp_path, '<p klasse="N">Namensaufruf</p>') == "Namensaufruf\n\n"


def test_lists_of_votes_front_matter_annexes_and_the_list_of_speakers_are_left_out(tmp_path: Path) -> None:
    sitting = '<p klasse="AL_Partei">CDU/CSU</p><p klasse="AL_Namen">Michael von Abercron</p><p>Ergebnis.</p>'
    assert text(tmp_path, sitting) == "Ergebnis.\n\n"


def test_a_paragraph_without_a_class_is_text_and_a_label_without_one_is_a_label(tmp_path: Path) -> None:
    label = LABEL.format("Ann Ott (SPD):").replace(' klasse="redner"', "")
    assert text(tmp_path, f"{label}<p>Ja.</p>") == "Ann Ott (SPD):\nJa.\n\n"


def test_footnotes_page_numbers_and_tables_are_no_text_but_links_and_small_print_are(tmp_path: Path) -> None:
    sitting = (
        '<p>Das<a id="S2" typ="druckseitennummer">2</a> Ergebnis.<sup>1</sup>\n'
        "<fussnote><p>Siehe Anlage 3</p></fussnote> Gut.</p>"
        '<p klasse="T_Drs">Drucksache <a href="https://example.org">21/2</a></p><p>50 m<sup>2</sup></p>'
        "<p>Vorher<table><tr><td>7</td></tr></table> nachher</p>"
    )
    assert text(tmp_path, sitting) == "Das Ergebnis. Gut.\n50 m2\nVorher nachher\n\n"


def test_headings_are_text_on_wish_and_what_the_chair_says_is_none(tmp_path: Path) -> None:
    sitting = (
        '<name>Präsidentin Bas:</name><p klasse="T">Damit rufe ich den Tagesordnungspunkt 1 auf:</p>'
        '<p klasse="T_fett">Wahl</p><p klasse="T_NaS">(Fortsetzung)</p>'
        '<p klasse="T_Drs">Drucksache <a href="https://example.org">21/2</a></p><p klasse="J">Bitte.</p>'
    )
    session = read(tmp_path, sitting)
    assert render(session) == "Präsidentin Bas:\nDamit rufe ich den Tagesordnungspunkt 1 auf:\nBitte.\n\n"
    with_headings = render(session, LayoutConfig(headings=True))
    assert with_headings.splitlines()[2:5] == ["Wahl", "(Fortsetzung)", "Drucksache 21/2"]


@pytest.mark.parametrize(
    ("printed", "label", "speech"),
    [
        ("Sehr geehrte Damen! Ich sage nur: Nein.", "Ann Ott (SPD):", "Sehr geehrte Damen! Ich sage nur: Nein."),
        ("Ja.", "Ann Ott (SPD):", "Ja."),
        ("Frau Ott sagt: Nein.", "Ann Ott (SPD):", "Frau Ott sagt: Nein."),
        ("Ann Ott (Erfurt) (SPD): Nein: nie.", "Ann Ott (Erfurt) (SPD):", "Nein: nie."),
        ("Dr. Ann Ott (SPD):", "Dr. Ann Ott (SPD):", None),
        ("Ann Ott (SPD)", "Ann Ott (SPD):", None),
        ("", "Ann Ott (SPD):", None),
    ],
)
def test_a_label_is_told_from_a_speech_that_has_a_colon(
    tmp_path: Path, printed: str, label: str, speech: str | None
) -> None:
    said = text(tmp_path, f'{LABEL.format(printed)}<p klasse="J">Ende.</p>')
    assert said == f"{label}\n{f'{speech}{chr(10)}' if speech else ''}Ende.\n\n"


def test_two_who_speak_in_one_paragraph_have_turns_of_their_own(tmp_path: Path) -> None:
    other = LABEL.replace("Ann", "Jo").replace("Ott", "Berg").removeprefix('<p klasse="redner">').removesuffix("</p>")
    said = text(tmp_path, LABEL.format(f"Ann Ott (SPD): Ja. {other.format('Jo Berg (SPD): Nein.')}"))
    assert said == "Ann Ott (SPD):\nJa.\n\nJo Berg (SPD):\nNein.\n\n"


def test_interjections_are_such_wherever_they_stand(tmp_path: Path) -> None:
    sitting = (
        "<name>Präsidentin Bas:</name><p>Guten <kommentar>(Beifall)</kommentar>Morgen!</p>"
        "<zitat>Ja <kommentar>(Heiterkeit)</kommentar></zitat><p>(Zuruf: (Nein!))</p><p>(Erstens) ja.</p>"
    )
    session = read(tmp_path, sitting)
    assert render(session).splitlines()[1:-1] == [
        "Guten", "(Beifall)", "Morgen!", "Ja", "(Heiterkeit)", "(Zuruf: (Nein!))", "(Erstens) ja.",
    ]  # fmt: skip
    assert render(session, LayoutConfig(interjections=False)).splitlines()[1:-1] == [
        "Guten", "Morgen!", "Ja", "(Erstens) ja.",
    ]  # fmt: skip


def test_words_beside_line_ends_and_tables_stay_apart(tmp_path: Path) -> None:
    sitting = "<p>Zeile eins<br/>Zeile zwei<table><tr><td>12</td></tr></table>gezeigt. Bundes<a>tag</a></p>"
    assert text(tmp_path, sitting) == "Zeile eins Zeile zwei gezeigt. Bundestag\n\n"


@pytest.mark.parametrize("kind", ["zu_protokoll", "zu_protokoll_anlage"])
def test_speeches_for_the_record_are_left_out_on_wish(tmp_path: Path, kind: str) -> None:
    sitting = (
        f'<rede redeart="plenum">{LABEL.format("Ann Ott (SPD):")}<p>Gesagt.</p></rede>'
        f'<rede redeart="{kind}">{LABEL.format("Ann Ott (SPD):")}<p>Gedruckt.</p></rede><p>Danke.</p>'
    )
    session = read(tmp_path, sitting)
    assert "Gedruckt." in render(session)
    assert render(session, LayoutConfig(not_spoken=False)) == "Ann Ott (SPD):\nGesagt.\n\nAnn Ott (SPD):\nDanke.\n\n"


def test_quotations_and_text_without_paragraphs_are_text(tmp_path: Path) -> None:
    sitting = (
        "<zitat>„Freiheit“ <a>1</a></zitat><zitat><p>„Einigkeit“</p></zitat>"
        "<top-titel>Wahl</top-titel><kommentar><p>(Beifall</p><p>und Heiterkeit)</p></kommentar>Ja."
    )
    assert text(tmp_path, sitting) == "„Freiheit“ 1\n„Einigkeit“\nWahl\n(Beifall und Heiterkeit)\nJa.\n\n"


def test_bom_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "protocol.xml"
    content = protocol("<name>Präsidentin Bas:</name>\n<p>Schöne\nGrüße</p>").replace("\n", "\r\n")
    path.write_bytes(content.encode("utf-8-sig"))
    assert render(read_session(path)) == "Präsidentin Bas:\nSchöne Grüße\n\n"


def test_a_protocol_without_a_sitting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "protocol.xml"
    path.write_text("<dbtplenarprotokoll/>", encoding="utf-8")
    with pytest.raises(DataError, match="no element 'sitzungsverlauf'"):
        read_session(path)


def test_a_missing_attribute_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"protocol\.xml: its session number is None"):
        read(tmp_path, "<p>Ja.</p>", attributes='wahlperiode="20" sitzung-datum="08.12.2021"')
