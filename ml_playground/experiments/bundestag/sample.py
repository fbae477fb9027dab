"""Default corpus of bundestag_char: an artificial plenary protocol, the same on every call."""

from __future__ import annotations

import random
import tomllib
from datetime import date, timedelta
from importlib.resources import files

from ml_playground.experiments.bundestag.sample_grammar import Grammar, Person

SEED = 1949
SESSIONS = 10
DEBATES = 4
SEATS = 72


def listing(parts: list[str]) -> str:
    return " und ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


class Record(Grammar):
    """Generates sessions, which consist of debates, which consist of speeches."""

    def __init__(self, tables: dict[str, dict[str, str]], rng: random.Random) -> None:
        super().__init__(tables, rng)
        # Each party as label, dative, genitive, and the name of its parliamentary group.
        self.parties = [entry.split(", ") for entry in self.lists["common"]["parties"]]
        self.house = [self.person(self.parties[seat % len(self.parties)][0]) for seat in range(SEATS)]
        self.chairs = [self.person("") for _ in range(4)]
        self.presiding = self.chairs[0]
        self.ministers = {topic: self.person("") for topic in self.lists if topic != "common"}
        self.agenda: list[str] = []
        self.turns: list[str] = []

    def person(self, party: str) -> Person:
        female = self.rng.random() < 0.5
        title = "Dr. " if self.rng.random() < 0.2 else ""
        return Person(f"{title}{self.draw('woman' if female else 'man')} {self.draw('surname')}", female, party)

    def text(self) -> str:
        day = date(2014, 1, 15)
        for number in range(1, SESSIONS + 1):
            next_day = day + timedelta(days=1 if number % 3 else 33)
            self.session(number, day, next_day)
            day = next_day
        return "\n\n".join(self.turns) + "\n"

    def in_words(self, day: date) -> str:
        words = self.lists["common"]
        return f"{words['weekday'][day.weekday()]}, den {day.day}. {words['month'][day.month - 1]} {day.year}"

    def session(self, number: int, day: date, next_day: date) -> None:
        self.topic, self.people, self.presiding = "common", self.house, self.chairs[0]
        self.facts = {"session": str(number), "next_day": self.in_words(next_day)}
        title = f"Plenarprotokoll 18/{number}\nDeutscher Bundestag\nStenografischer Bericht\n{number}. Sitzung"
        self.turns.append(f"{title}\nBerlin, {self.in_words(day)}\nBeginn: 9.00 Uhr")
        self.chair(self.say("session_opening"), *(self.say("notice") for _ in range(3)))
        for item in range(1, DEBATES + 1):
            self.debate(item)
        self.chair(self.say("session_closing"))

    def chair(self, *paragraphs: str) -> None:
        office = ("Präsident" if self.presiding is self.chairs[0] else "Vizepräsident") + "in" * self.presiding.female
        self.turns.append("\n".join([f"{office} {self.presiding.name}:", *paragraphs]))

    def debate(self, item: int) -> None:
        """Generate an agenda item: the call, the speeches and the decision."""
        if not self.agenda:
            self.agenda += self.ministers
            self.rng.shuffle(self.agenda)
        self.topic = self.agenda.pop()
        self.presiding = self.rng.choice(self.chairs)
        self.rng.shuffle(self.house)
        minister = self.ministers[self.topic]
        speakers = [minister, *self.house[:3]] if self.rng.random() < 0.4 else self.house[:4]
        self.rng.shuffle(self.parties)
        split = self.rng.randrange(1, len(self.parties))
        committee = self.draw("committee")
        self.facts |= {
            "item": str(item),
            "proposer": self.parties[0][3],
            "ayes": listing([party[2] for party in self.parties[:split]]),
            "noes": listing([party[2] for party in self.parties[split:]]),
            "greeted": "Frau Präsidentin" if self.presiding.female else "Herr Präsident",
            "dear": "" if self.presiding.female else "r",
            "committee": committee,
            "committee_gen": committee.replace("usschuss", "usschusses", 1),
        }
        call = [self.say("call"), self.say("bill"), f"Drucksache 18/{self.rng.randrange(1100, 9800)}"]
        for turn, speaker in enumerate(speakers):
            self.people = [person for person in self.house[:8] if person is not speaker]
            self.facts |= {f"speaker_{case}": speaker.address(case) for case in ("nom", "dat", "voc")}
            if speaker.party:
                group = next(party[3] for party in self.parties if party[0] == speaker.party)
                self.facts |= {"speaker_nom": f"{speaker.address('nom')} von der Fraktion {group}"}
                heading = f"{speaker.name} ({speaker.party}):"
            else:
                heading = f"{speaker.name}, {speaker.office} für {self.draw('office')}:"
            if turn:
                self.chair(self.say("next_speaker"))
            else:
                self.chair(*call, self.say("time_limit"), self.say("first_speaker"))
            self.speech(speaker, heading)
            self.facts["before"] = speaker.address("voc")
        self.chair(self.say("vote"))

    def speech(self, speaker: Person, heading: str) -> None:
        lines = [heading, self.say("salute")]
        for _ in range(self.rng.randrange(3, 6)):
            lines.append(" ".join(self.say("sentence") for _ in range(self.rng.randrange(3, 6))))
            if self.rng.random() < 0.8:
                lines.append(self.interjection("interjection"))
            if self.rng.random() < 0.05:
                lines = self.interrupt(lines, heading)
        lines += [self.say("farewell"), self.interjection("applause", speaker.party)]
        self.turns.append("\n".join(lines))

    def interrupt(self, lines: list[str], heading: str) -> list[str]:
        """Let a member ask the speaker a question; the speech continues with the answer."""
        asker = self.people[0]
        self.facts |= {f"asker_{case}": asker.address(case) for case in ("nom", "gen", "voc")}
        self.turns.append("\n".join(lines))
        self.chair(self.say("order"))
        if self.rng.random() < 0.3:
            return [heading, self.say("refuse")]
        self.turns.append(f"{heading}\n{self.say('permit')}")
        self.turns.append(f"{asker.name} ({asker.party}):\n{self.say('claim')} {self.say('question')}")
        return [heading]

    def interjection(self, kind: str, first: str = "") -> str:
        """Return a line in parentheses; the party ``first`` is among those who applaud."""
        parties = list(self.parties)
        self.rng.shuffle(parties)
        parties.sort(key=lambda party: party[0] != first)
        calling = parties[-1]
        self.rng.shuffle(self.people)
        member, reply = self.people[:2]
        groups = parties[: self.rng.randrange(1, 3)]
        self.facts |= {
            "parties": listing([party[1] for party in groups]),
            "party_dat": calling[1],
            "party_gen": calling[2],
            "member": f"{member.name} [{member.party}]",
            "member_gen": f"{'der' if reply.female else 'des'} Abg. {reply.name} [{reply.party}]",
        }
        return self.say(kind)


def sample_text() -> str:
    """Return about 400,000 characters of German plenary debate."""
    text = files("ml_playground.experiments.bundestag").joinpath("sample_words.toml").read_text(encoding="utf-8")
    return Record(tomllib.loads(text), random.Random(SEED)).text()
