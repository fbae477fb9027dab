from __future__ import annotations

import pytest

from ml_playground.experiments.bundestag.hyphenation import dehyphenate, join


@pytest.mark.parametrize(
    ("line", "following", "joined"),
    [
        ("im Bundes-", "tag gesagt", "im Bundestag gesagt"),
        ("(Beifall bei Abge-", "ordneten", "(Beifall bei Abgeordneten"),
        ("Wirtschafts-", "und Finanzpolitik", "Wirtschafts- und Finanzpolitik"),
        ("Ein-", "oder Ausfuhr", "Ein- oder Ausfuhr"),
        ("den-", "noch", "dennoch"),
        ("so-", "wie", "sowie"),
        ("Baden-", "Württemberg", "Baden-Württemberg"),
        ("die CDU/CSU-", "Fraktion", "die CDU/CSU-Fraktion"),
        ("60-", "jährigen", "60-jährigen"),
        ("EU-", "weit", "EU-weit"),
        ("bei der LIN-", "KEN – Zuruf", "bei der LINKEN – Zuruf"),
        ("(BÜNDNIS 90/DIE GRÜ-", "NEN):", "(BÜNDNIS 90/DIE GRÜNEN):"),
        ("[CDU/", "CSU])", "[CDU/CSU])"),
        ("der Stelle –", "das sage ich", "der Stelle – das sage ich"),
        ("Was -", "nein", "Was - nein"),
        ("", "Anfang", "Anfang"),
        ("Ende-", "– nein", "Ende- – nein"),
    ],
)
def test_torn_words_are_joined_and_real_hyphens_kept(line: str, following: str, joined: str) -> None:
    assert join(line, following) == joined


def test_a_hyphen_known_from_elsewhere_is_kept() -> None:
    assert join("die deutsch-", "indische", {"deutsch-indische"}) == "die deutsch-indische"
    assert join("die deutsch-", "indische") == "die deutschindische"


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        ("nicht be- stätigen kann", "nicht bestätigen kann"),
        ("Landwirtschafts- noch Umwelt", "Landwirtschafts- noch Umwelt"),
        ("dem BÜNDNIS 90/ DIE GRÜNEN", "dem BÜNDNIS 90/DIE GRÜNEN"),
        ("- Drucksache 15/3054 -", "- Drucksache 15/3054 -"),
    ],
)
def test_words_torn_within_a_line_are_mended(line: str, mended: str) -> None:
    assert dehyphenate(line) == mended
