from __future__ import annotations

import pytest

from ml_playground.experiments.bundestag.label import is_name, parse_label, strict_label
from ml_playground.experiments.bundestag.session import Speaker


@pytest.mark.parametrize(
    ("printed", "speaker"),
    [
        ("Präsident Dr. Ehlers:", Speaker("Dr. Ehlers", role="Präsident", chair=True)),
        (
            "Vizepräsidentin Dr. h. c. Susanne Kastner",
            Speaker("Dr. h. c. Susanne Kastner", None, "Vizepräsidentin", True),
        ),
        ("Alterspräsident Dr.\xa0Gregor Gysi: ", Speaker("Dr. Gregor Gysi", role="Alterspräsident", chair=True)),
        ("Carsten Schneider (Erfurt) (SPD):", Speaker("Carsten Schneider (Erfurt)", "SPD")),
        ("Cem Özdemir  (BÜNDNIS\xa090/DIE GRÜNEN):", Speaker("Cem Özdemir", "BÜNDNIS 90/DIE GRÜNEN")),
        ("Dr. Bertram (Z) :", Speaker("Dr. Bertram", "Z")),
        ("Freidhof (SPD), Antragsteller:", Speaker("Freidhof", "SPD", "Antragsteller")),
        ("Karl Kiep (Hof), Staatsminister:", Speaker("Karl Kiep (Hof)", role="Staatsminister")),
        ("Storch, 'Bundesminister für Arbeit:", Speaker("Storch", role="Bundesminister für Arbeit")),
        ("Ann Ott, Ministerpräsidentin (Hessen):", Speaker("Ann Ott", role="Ministerpräsidentin (Hessen)")),
        ("Kohl (CDU/CSU) (von der CDU/CSU mit Beifall begrüßt):", Speaker("Kohl", "CDU/CSU")),
        ("Günther Nolting (F.D.P.):", Speaker("Günther Nolting", "F.D.P.")),
        ("Heinrich Graf von Einsiedel (PDS):", Speaker("Heinrich Graf von Einsiedel", "PDS")),
    ],
)
def test_labels_of_all_terms(printed: str, speaker: Speaker) -> None:
    assert parse_label(printed) == speaker
    assert strict_label(printed) == speaker


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Ich zitiere",
        "Das Wort hat der Abgeordnete Dr. Koch (SPD)",
        "Präsident Ehlers hat gesagt",
        "Herr Dr. Bertram zur Begründung. Dr. Bertram (Z)",
        "(Heiterkeit.) Dr. Bertram (Z)",
        "Kiel (Holstein)",
        "Nehmen Sie Erstens, Bundesmittel",
        "Der Präsident",
        "1234 (SPD)",
    ],
)
def test_running_text_is_no_label(line: str) -> None:
    assert strict_label(line) is None


@pytest.mark.parametrize(
    "name", ["Dr.-Ing. E. h. Schuberth", "Müller (Frankfurt)", "Ursula von der Leyen", "Élise d'Ott"]
)
def test_names(name: str) -> None:
    assert is_name(name)
