"""A phrase grammar for German that fills the slots of sentence templates with declined nouns and conjugated verbs.

The syntax of words and templates is described in sample_words.toml.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

CASES = ("nom", "acc", "dat", "gen")
ARTICLE = {"m": "der den dem des", "f": "die die der der", "n": "das das dem des", "p": "die die den der"}
ENDING = {"m": "er en em es", "f": "e e er er", "n": "es es em es", "p": "e e en er"}
DETERMINERS = {"der", "dies", "ein", "kein", "unser", "all", "viel", "bare"}
CONTRACTIONS = {
    "in dem": "im",
    "in das": "ins",
    "an dem": "am",
    "von dem": "vom",
    "bei dem": "beim",
    "zu dem": "zum",
    "zu der": "zur",
}


@dataclass(frozen=True)
class Noun:
    """A noun as in a dictionary; gender p has only a plural, and an empty plural means that there is none."""

    gender: str
    singular: str
    genitive: str
    plural: str

    @classmethod
    def parse(cls, entry: str) -> Noun:
        """Parse `der Bahnhof, -s, Bahnhöfe`, where a hyphen stands for the singular."""
        head, *rest = entry.split(", ")
        article, singular = head.split(" ", 1)
        if article == "pl":
            return cls("p", "", "", singular)
        genitive, plural = (re.sub("^-", singular, form) for form in [*rest, ""][:2])
        return cls({"der": "m", "die": "f", "das": "n"}[article], singular, genitive, plural)

    def decline(self, gender: str, case: str) -> str:
        if gender == "p":
            return self.plural + ("n" if case == "dat" and self.plural[-1] not in "ns" else "")
        weak = gender == "m" and self.genitive.endswith("n")  # der Kunde, den Kunden
        return self.genitive if case == "gen" or (weak and case != "nom") else self.singular


@dataclass(frozen=True)
class Person:
    """An invented speaker; the party is empty for the chair and the cabinet."""

    name: str
    female: bool
    party: str = ""

    @property
    def office(self) -> str:
        return "Bundesminister" + "in" * self.female

    def address(self, case: str) -> str:
        """Return how others refer to the speaker, or address him or her (voc)."""
        surname = self.name.split()[-1]
        if not self.party:
            title = "Frau" if self.female else "Herrn" if case in {"dat", "acc"} else "Herr"
            return f"{title} {self.office} {surname}"
        if case == "voc":
            return f"Frau Kollegin {surname}" if self.female else f"Herr Kollege {surname}"
        article, _ = determiner("der", "f" if self.female else "m", case)
        return f"{article} {'Kollegin' if self.female else 'Kollege' if case == 'nom' else 'Kollegen'} {surname}"


def determiner(stem: str, gender: str, case: str) -> tuple[str, bool]:
    """Return the declined determiner, and whether an adjective after it takes the strong ending."""
    column = CASES.index(case)
    if stem == "der":
        return ARTICLE[gender].split()[column], False
    if stem == "bare":
        return "", True
    # ein Mann, ein Kind: the determiner has no ending, so the adjective must show the gender.
    if stem in {"ein", "kein", "unser"} and gender + case in {"mnom", "nnom", "nacc"}:
        return stem, True
    return stem + ENDING[gender].split()[column], stem == "viel"


def adjective(stem: str, gender: str, case: str, strong: bool) -> str:
    if not strong:
        return stem + ("e" if gender + case in {"mnom", "fnom", "facc", "nnom", "nacc"} else "en")
    return stem + ("en" if gender + case in {"mgen", "ngen"} else ENDING[gender].split()[CASES.index(case)])


def conjugate(entry: str, form: str) -> tuple[str, str]:
    """Return a form of `aus|bauen baut ausgebaut`, and the separable prefix that ends a main clause."""
    infinitive, singular, participle = entry.split()
    prefix, _, stem = infinitive.rpartition("|")
    forms = {"zu": f"{prefix}zu{stem}" if prefix else f"zu {stem}", "part": participle, "inf": prefix + stem}
    forms |= {"pl": prefix + stem, "sg": prefix + singular, "main pl": stem, "main sg": singular}
    return forms[form], prefix


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def tidy(text: str) -> str:
    """Contract prepositions with articles, and remove the gaps that empty slots leave."""
    # Not after a comma, where it starts a relative clause: das Land, in dem.
    text = re.sub(rf"(?<!, )\b({'|'.join(CONTRACTIONS)})\b", lambda found: CONTRACTIONS[found[1]], text)
    text = re.sub(r" +(?=[ .,;:?!“])", "", text)
    return re.sub(r"„[a-zäöü]", lambda found: found[0].upper(), text)


class Grammar:
    """Generates sentences; lists are drawn from like shuffled decks of cards, so that no entry occurs too often."""

    def __init__(self, tables: dict[str, dict[str, str]], rng: random.Random) -> None:
        self.rng = rng
        self.lists = {
            table: {name: re.split(r"\n| / ", block.strip()) for name, block in blocks.items()}
            for table, blocks in tables.items()
        }
        self.decks: dict[tuple[str, str], list[str]] = {}
        self.topic = "common"
        self.facts: dict[str, str] = {}
        self.people: list[Person] = []
        self.recent: list[Noun] = []

    def draw(self, name: str) -> str:
        """Return the next entry of a list, preferring the topic of the debate over the common words."""
        special, common = name in self.lists[self.topic], name in self.lists["common"]
        table = self.topic if special and (not common or self.rng.random() < 0.65) else "common"
        deck = self.decks.setdefault((table, name), [])
        if not deck:
            deck += self.lists[table][name]
            self.rng.shuffle(deck)
        return deck.pop()

    def say(self, name: str, form: str = "") -> str:
        return self.expand(self.draw(name), form)

    def noun_phrase(self, case: str, kind: str, *flags: str) -> tuple[str, bool]:
        """Return a noun with its determiner and possibly an adjective, and whether it is plural."""
        while True:
            noun = Noun.parse(self.draw(kind))
            genders = [noun.gender] if noun.gender != "p" and "pl" not in flags else []
            genders += ["p"] if noun.plural and "sg" not in flags else []
            if genders and noun not in self.recent:
                break
        self.recent = [noun, *self.recent[:3]]
        gender = self.rng.choice(genders)
        stem = next((flag for flag in flags if flag in DETERMINERS), "") or self.draw(f"{kind}_det")
        if stem in {"ein", "bare"}:
            stem = "ein" if gender != "p" and noun.plural else "der" if case == "gen" else "bare"
        article, strong = determiner(stem, gender, case)
        words = [article, noun.decline(gender, case)]
        adjectives = f"{kind}_adj"
        if adjectives in self.lists["common"] and "plain" not in flags and self.rng.random() < 0.36:
            words.insert(1, adjective(self.draw(adjectives), gender, case, strong))
        return " ".join(filter(None, words)), gender == "p"

    def expand(self, template: str, form: str = "") -> str:
        """Fill the slots of a template; the first nominative is the subject that its verbs agree with."""
        # The subject is generated first, because a verb may precede it.
        found = re.search(r"\{nom ([^{}]+?)( cap)?\}", template)
        subject, plural = self.noun_phrase("nom", *found[1].split()) if found else ("", True)
        number = "pl" if plural else "sg"
        forms = {"v": f"main {number}", "fin": number, "end": form, "inf": "inf", "zu": "zu", "part": "part"}
        prefix = ""

        def fill(slot: re.Match[str]) -> str:
            nonlocal prefix
            if "|" in slot[1]:
                return slot[1].split("|")[plural]
            kind, *words = slot[1].split()
            if found and slot.start() == found.start():
                return subject
            if kind in self.facts:
                return self.facts[kind]
            if kind in CASES:
                return self.noun_phrase(kind, *words)[0]
            if kind == "int":
                low, high, *step = map(int, words)
                return str(self.rng.randrange(low, high + 1, *step))
            if kind == "colleague":
                return self.rng.choice(self.people).address(words[0])
            if kind == "prefix":
                return prefix
            if kind in forms:
                text, prefix = conjugate(self.draw(words[0]), forms[kind])
                return text
            return self.say(kind, *words)

        def fill_in(slot: re.Match[str]) -> str:
            return capital(fill(slot)) if slot[2] else fill(slot)

        text = tidy(re.sub(r"\{([^{}]+?)( cap)?\}", fill_in, template))
        return capital(text) if text[-1] in ".?!" else text
