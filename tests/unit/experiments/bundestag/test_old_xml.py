from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.reader import read_session
from ml_playground.experiments.bundestag.session import Session, render

WRAPPED = """Plenarprotokoll 18/181
Inhalt:
Präsident Dr. Norbert Lammert . . . . . 17881 B
Ann Ott (SPD) . . . . . 17882 A

Beginn: 10.30 Uhr

Präsident Dr. Norbert Lammert:
Nehmen Sie bitte Platz. Die Sitzung ist eröffnet.

Ich rufe auf:

Abgabe einer Regierungserklärung durch die
Bundeskanzlerin

Ausgang des Referendums

Das Wort hat die Kollegin Ott. Sie spricht für die Frak-
tion der SPD.

Ann Ott (BÜNDNIS 90/DIE GRÜ-
NEN):

Herr Präsident! Liebe Kolleginnen und Kollegen!

Wir reden im Bundes-
tag über Wirtschafts- und Finanzpolitik in Baden-
Württemberg (das wissen Sie
(alle)), und zwar gründlich und ohne Um-

Präsident Dr. Norbert Lammert

Deutscher Bundestag – 18. Wahlperiode – 181. Sitzung. Berlin, Dienstag, den 28. Juni 201617882

(A) (C)

(B) (D)

schweife.

(Beifall bei der SPD – Volker Kauder [CDU/
CSU]: Was soll

das?)

Jens Ott, Parl. Staatssekretär bei der Bundesministerin
für Verkehr:
Ich sage:

Ja.

(Beifall des Abg. Kurt Kuhn [DIE
LINKE]

Weiter.

(Schluss: 12.21 Uhr)

Präsident Dr. Norbert Lammert:
Anlage zum Stenografischen Bericht
"""

FLOWING = f"""Deutscher Bundestag — 143. Sitzung. Bonn, Mittwoch, den 23. Mai 1951	5643
Koch (SPD) 	 5644D
Die Sitzung wird um 10 Uhr durch den Präsidenten Dr. Ehlers eröffnet.
Präsident Dr. Ehlers: Meine Damen und Herren! {"Ich eröffne die Sitzung. " * 6}
Das Wort hat der Abgeordnete Koch zur Begründung.
Koch (SPD): Herr Präsident! {"Der Antrag ist gut. " * 6}Die Zuschüsse sollen ausge-

(Koch)
zahlt werden.
(Abg. Dr. Kunze: Das ist
nicht wahr!) — Doch!
{"Das sage ich noch einmal. " * 6}
Von uns bestreitet niemand, daß eine Neuregelung
auch der Gehälter erfolgen muß.
(Bravo! — Ohne Ende
Schäffer, Bundesminister der Finanzen: {"Ich danke dem Hause. " * 6}

(Bundesfinanzminister Schiffer)
Und Schluß.
Anlagen zum Stenographischen Bericht
Liste der Beurlaubten
"""


def read(tmp_path: Path, text: str, kind: str = "PLENARPROTOKOLL") -> Session:
    path = tmp_path / "old.xml"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE DOKUMENT SYSTEM "BUNDESTAGSDOKUMENTE.dtd">\n'
        f"<DOKUMENT><WAHLPERIODE>1</WAHLPERIODE><DOKUMENTART>{kind}</DOKUMENTART><NR>01/143</NR>"
        f"<DATUM>23.05.1951</DATUM><TITEL>Plenarprotokoll</TITEL><TEXT>{text}</TEXT></DOKUMENT>",
        encoding="utf-8",
    )
    return read_session(path)


def test_wrapped_lines_become_paragraphs_and_pages_disappear(tmp_path: Path) -> None:
    assert render(read(tmp_path, WRAPPED)) == (
        "Präsident Dr. Norbert Lammert:\n"
        "Nehmen Sie bitte Platz. Die Sitzung ist eröffnet.\n"
        "Ich rufe auf:\n"
        "Abgabe einer Regierungserklärung durch die Bundeskanzlerin\n"
        "Ausgang des Referendums\n"
        "Das Wort hat die Kollegin Ott. Sie spricht für die Fraktion der SPD.\n\n"
        "Ann Ott (BÜNDNIS 90/DIE GRÜNEN):\n"
        "Herr Präsident! Liebe Kolleginnen und Kollegen! Wir reden im Bundestag über Wirtschafts- und Finanzpolitik"
        " in Baden-Württemberg (das wissen Sie (alle)), und zwar gründlich und ohne Umschweife.\n"
        "(Beifall bei der SPD – Volker Kauder [CDU/CSU]: Was soll das?)\n\n"
        "Jens Ott, Parl. Staatssekretär bei der Bundesministerin für Verkehr:\n"
        "Ich sage:\n"
        "Ja.\n"
        "(Beifall des Abg. Kurt Kuhn [DIE LINKE]\n"
        "Weiter.\n\n"
    )


def test_flowing_lines_have_their_labels_in_front(tmp_path: Path) -> None:
    session = read(tmp_path, FLOWING)
    assert (session.term, session.number, session.date) == (1, 143, date(1951, 5, 23))
    assert render(session) == (
        f"Präsident Dr. Ehlers:\nMeine Damen und Herren!{' Ich eröffne die Sitzung.' * 6}\n"
        "Das Wort hat der Abgeordnete Koch zur Begründung.\n\n"
        f"Koch (SPD):\nHerr Präsident!{' Der Antrag ist gut.' * 6} Die Zuschüsse sollen ausgezahlt werden.\n"
        "(Abg. Dr. Kunze: Das ist nicht wahr!)\n"
        "— Doch!\n"
        f"{' '.join(['Das sage ich noch einmal.'] * 6)}\n"
        "Von uns bestreitet niemand, daß eine Neuregelung auch der Gehälter erfolgen muß.\n"
        "(Bravo! — Ohne Ende\n\n"
        f"Schäffer, Bundesminister der Finanzen:\n{' '.join(['Ich danke dem Hause.'] * 6)}\nUnd Schluß.\n\n"
    )


def test_lists_of_votes_are_left_out_up_to_the_next_words(tmp_path: Path) -> None:
    votes = "Endgültiges Ergebnis\nAbgegebene Stimmen: 602;\ndavon\n\nja: 540\n\nCDU/CSU\n"
    votes += "Siegfried Kauder (Villingen-Schwenningen)\n"
    text = (
        f"Präsident Dr. Ott:\nHier ist das Ergebnis.\n\n{votes}\n"
        f"(Beifall bei der SPD)\n\n{votes}\n(Hof)\nIch rufe jetzt Punkt 4 auf:\n\n{votes}\nAnn Ott (SPD):\nDanke.\n"
    )
    assert render(read(tmp_path, text)) == (
        "Präsident Dr. Ott:\nHier ist das Ergebnis.\n(Beifall bei der SPD)\nIch rufe jetzt Punkt 4 auf:\n\n"
        "Ann Ott (SPD):\nDanke.\n\n"
    )


def test_headers_of_two_lines_and_of_annexed_pages_disappear(tmp_path: Path) -> None:
    text = (
        "Präsident Ott: Das ist\nDeutscher Bundestag — 3. Wahlperiode — 4. Sitzung. Bonn, Dienstag,\n"
        "den 5. November 1957 917\nein Satz, der\n20076* Deutscher Bundestag — 10. Wahlperiode — 256. Sitzung. Bonn\n"
        "weitergeht.\n"
    )
    assert render(read(tmp_path, text)) == "Präsident Ott:\nDas ist ein Satz, der weitergeht.\n\n"


def test_hyphens_of_other_kinds_and_known_real_ones(tmp_path: Path) -> None:
    text = "Präsident Ott:\nDie deutsch-indische Freundschaft, der Bun\u00ad\ndestag, das Par¬\nlament und "
    text += "die deutsch-\nindische\nArbeit.\n"
    assert "der Bundestag, das Parlament und die deutsch-indische Arbeit." in render(read(tmp_path, text))


def test_what_is_no_plenary_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of the kind 'DRUCKSACHE'"):
        read(tmp_path, WRAPPED, kind="DRUCKSACHE")
    with pytest.raises(DataError, match="no line such as 'Präsident"):
        read(tmp_path, "Ann Ott (SPD):\nIch bin allein.\n")


@pytest.mark.parametrize(
    "quote", ["Präsident Reagan: Reißen Sie diese Mauer ein! Das", "Vizepräsident Biden:\nJa. Das"]
)
def test_a_chair_that_is_quoted_has_no_turn(tmp_path: Path, quote: str) -> None:
    path = tmp_path / "old.xml"
    text = (
        "Präsident Dr. Norbert Lammert:\nDas Wort hat die Kollegin Ott.\n\nAnn Ott (SPD):\nHerr Präsident! Ich erinnere"
        f" an den Satz von\n{quote}\nwar ein guter Satz.\n\nPräsident Dr. Norbert Lammert:\nDanke.\n"
    )
    facts = (
        "<WAHLPERIODE>18</WAHLPERIODE><DOKUMENTART>PLENARPROTOKOLL</DOKUMENTART><NR>18/1</NR><DATUM>1.2.2012</DATUM>"
    )
    path.write_text(f"<DOKUMENT>{facts}<TEXT>{text}</TEXT></DOKUMENT>", encoding="utf-8")
    speakers = [turn.speaker.name for turn in read_session(path).turns if turn.speaker]
    assert speakers == ["Dr. Norbert Lammert", "Ann Ott", "Dr. Norbert Lammert"]
