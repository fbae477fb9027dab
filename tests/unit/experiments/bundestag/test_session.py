from __future__ import annotations

from datetime import date

import pytest

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.session import Interjection, Paragraph, Session, Speaker, Turn, render
from ml_playground.experiments.bundestag.transcript import Transcript
from ml_playground.text.config import LayoutConfig

CHAIR = Speaker("Petra Pau", role="Vizepräsidentin", chair=True)
MEMBER = Speaker("Dr. Renate Holzmann", party="SPD")
MINISTER = Speaker("Jens Ott", role="Bundesminister der Finanzen")
MOVER = Speaker("Freidhof", party="SPD", role="Antragsteller")

SESSION = Session(
    18,
    7,
    date(2014, 1, 15),
    (
        Turn(None, (Paragraph("Vorab."),)),
        Turn(CHAIR, (Paragraph("Das Wort hat die Kollegin Holzmann."),)),
        Turn(MEMBER, (Paragraph("Frau Präsidentin!"), Interjection("(Beifall bei der SPD)"), Paragraph("Zur Sache."))),
        Turn(MINISTER, (Interjection("(Lachen)"),)),
        Turn(MOVER, (Paragraph("Ja."),)),
    ),
)


def test_the_layout_is_the_documented_one() -> None:
    assert render(SESSION) == (
        "Vorab.\n\n"
        "Vizepräsidentin Petra Pau:\nDas Wort hat die Kollegin Holzmann.\n\n"
        "Dr. Renate Holzmann (SPD):\nFrau Präsidentin!\n(Beifall bei der SPD)\nZur Sache.\n\n"
        "Jens Ott, Bundesminister der Finanzen:\n(Lachen)\n\n"
        "Freidhof (SPD), Antragsteller:\nJa.\n\n"
    )


def test_everything_besides_what_is_said_can_be_left_out() -> None:
    assert render(SESSION, LayoutConfig(speakers=False, parties=False, interjections=False)) == (
        "Vorab.\n\nDas Wort hat die Kollegin Holzmann.\n\nFrau Präsidentin!\nZur Sache.\n\nJa.\n\n"
    )
    without_parties = render(SESSION, LayoutConfig(parties=False))
    assert "Dr. Renate Holzmann:\n" in without_parties
    assert "Vizepräsidentin Petra Pau:\n" in without_parties
    assert "Jens Ott, Bundesminister der Finanzen:\n" in without_parties


def test_a_turn_of_which_nothing_is_left_has_no_label_either() -> None:
    assert "Jens Ott" not in render(SESSION, LayoutConfig(interjections=False))


def test_a_repeated_label_continues_the_turn_and_blanks_are_made_one() -> None:
    transcript = Transcript()
    transcript.speaker(CHAIR)
    transcript.paragraph(" Ich  rufe\xa0auf:\n")
    transcript.speaker(CHAIR)
    transcript.paragraph("Punkt\u202f1, Su\u00adssmuth, O\u0308l")
    transcript.speaker(MEMBER)
    transcript.speaker(None)
    transcript.interjection("\n")
    turns = transcript.session("18", "7", "15.01.2014").turns
    assert turns == (Turn(CHAIR, (Paragraph("Ich rufe auf:"), Paragraph("Punkt 1, Sussmuth, Öl"))),)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ((None, "7", "15.01.2014"), "term is None"),
        (("18", "x", "15.01.2014"), "session number is 'x'"),
        (("18", "7", "31.02.2014"), "date is '31.02.2014'"),
        (("18", "7", None), "date is None"),
    ],
)
def test_wrong_facts_are_refused(facts: tuple[str | None, str | None, str | None], problem: str) -> None:
    transcript = Transcript()
    transcript.paragraph("Ja.")
    with pytest.raises(DataError, match=problem):
        transcript.session(*facts)


def test_silence_is_refused() -> None:
    with pytest.raises(DataError, match="no speeches"):
        Transcript().session("18", "7", "15.01.2014")


@pytest.mark.parametrize("day", ["05.01.2014", "2014-01-05", " 5.1.2014 "])
def test_dates_are_german_or_iso(day: str) -> None:
    transcript = Transcript()
    transcript.paragraph("Ja.")
    assert transcript.session("18", "7", day).date == date(2014, 1, 5)
