"""The embedded sample corpus: the same bytes everywhere, and enough German variety to train on."""

from __future__ import annotations

import hashlib
import re

import pytest

from ml_playground.experiments.bundestag.sample import sample_text
from ml_playground.experiments.bundestag.sample_grammar import Noun, adjective, conjugate, determiner, tidy

SHA256 = "ab99338ec42c3b63a995c6f603fd2fed89c77187625e748c253ff5ccfc0dcd63"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäöüÄÖÜß"
PUNCTUATION = " \n.,:;!?()[]/-–„“’"


@pytest.fixture(scope="module")
def text() -> str:
    return sample_text()


def test_same_bytes_on_every_call(text: str) -> None:
    assert text == sample_text()
    assert hashlib.sha256(text.encode()).hexdigest() == SHA256


def test_size(text: str) -> None:
    assert 300_000 < len(text.encode()) < 500_000


def test_characters(text: str) -> None:
    assert set(text) == set(LETTERS + "0123456789" + PUNCTUATION)


def test_layout(text: str) -> None:
    assert text.endswith("\n")
    assert "\n\n\n" not in text
    assert not re.search(r" \n|\n |  | [.,:;?!]", text)


def test_no_word_comes_up_unfilled(text: str) -> None:
    assert not re.search(r"\b(cap|nom|acc|dat|gen|None)\b", text)


def test_many_words(text: str) -> None:
    assert len(set(re.findall(r"[^\W\d_]+", text))) >= 2_500


def test_sentences_differ(text: str) -> None:
    # Shorter ones are greetings and other formulas, and lines in brackets are calls: both belong to the form.
    spoken = re.sub(r"(?m)^\(.*\)$", "", text)
    sentences = [found for found in re.split(r"(?<=[.!?])\s+|\n", spoken) if len(found.split()) >= 8]
    assert len(sentences) > 2_000
    assert len(set(sentences)) >= 0.97 * len(sentences)


def test_no_passage_comes_twice(text: str) -> None:
    passages = [text[start : start + 200] for start in range(len(text) - 199)]
    assert len(set(passages)) == len(passages)


@pytest.mark.parametrize("party", ["CDU/CSU", "SPD", "DIE LINKE", "BÜNDNIS 90/DIE GRÜNEN"])
def test_speakers_of_every_party(text: str, party: str) -> None:
    speakers = set(re.findall(rf"(?m)^(?:Dr\. )?(\S+ \S+) \({party}\):$", text))
    assert len(speakers) >= 10


def test_chair_and_cabinet(text: str) -> None:
    assert re.search(r"(?m)^Präsident(in)? .+:$", text)
    assert re.search(r"(?m)^Vizepräsident(in)? .+:$", text)
    assert re.search(r"(?m)^.+, Bundesminister(in)? für .+:$", text)
    assert re.search(r"(?m)^Drucksache 18/\d{4}$", text)
    assert "Wer stimmt dagegen?" in text


@pytest.mark.parametrize("start", ["(Beifall be", "(Zuruf vo", "(Heiterkeit be", "(Lachen bei Abgeordneten "])
def test_interjections(text: str, start: str) -> None:
    lines = text.split("\n")
    assert sum(line.startswith(start) and line.endswith(")") for line in lines) >= 10


@pytest.mark.parametrize(
    ("entry", "cases", "plural"),
    [
        ("der Bahnhof, -s, Bahnhöfe", "Bahnhof Bahnhof Bahnhof Bahnhofs", "Bahnhöfen"),
        ("der Kunde, -n, -n", "Kunde Kunden Kunden Kunden", "Kunden"),
        ("die Schule, -, -n", "Schule Schule Schule Schule", "Schulen"),
        ("das Haus, -es, Häuser", "Haus Haus Haus Hauses", "Häusern"),
        ("die Kita, -, -s", "Kita Kita Kita Kita", "Kitas"),
    ],
)
def test_declension(entry: str, cases: str, plural: str) -> None:
    noun = Noun.parse(entry)
    assert [noun.decline(noun.gender, case) for case in ("nom", "acc", "dat", "gen")] == cases.split()
    assert noun.decline("p", "dat") == plural


@pytest.mark.parametrize(
    ("stem", "gender", "case", "phrase"),
    [
        ("der", "m", "nom", "der neue"),
        ("der", "m", "acc", "den neuen"),
        ("ein", "m", "nom", "ein neuer"),
        ("ein", "n", "acc", "ein neues"),
        ("ein", "f", "dat", "einer neuen"),
        ("dies", "n", "gen", "dieses neuen"),
        ("unser", "p", "nom", "unsere neuen"),
        ("viel", "p", "nom", "viele neue"),
        ("bare", "p", "dat", "neuen"),
        ("bare", "f", "dat", "neuer"),
    ],
)
def test_determiner_and_adjective(stem: str, gender: str, case: str, phrase: str) -> None:
    article, strong = determiner(stem, gender, case)
    assert f"{article} {adjective('neu', gender, case, strong)}".strip() == phrase


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("inf", "ausbauen"),
        ("zu", "auszubauen"),
        ("part", "ausgebaut"),
        ("sg", "ausbaut"),
        ("pl", "ausbauen"),
        ("main sg", "baut"),
        ("main pl", "bauen"),
    ],
)
def test_separable_verb(form: str, expected: str) -> None:
    assert conjugate("aus|bauen baut ausgebaut", form) == (expected, "aus")


def test_contractions() -> None:
    assert tidy("in dem Land, in dem wir zu der Schule gehen  .") == "im Land, in dem wir zur Schule gehen."
