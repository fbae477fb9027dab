"""Parse the line that names a speaker, as printed in the protocols of all terms.

``Präsident Dr. Ehlers:`` · ``Carsten Schneider (Erfurt) (SPD):`` · ``Freidhof (SPD), Antragsteller:`` ·
``Olaf Scholz, Bundeskanzler:`` · ``Winfried Kretschmann, Ministerpräsident (Baden-Württemberg):``
"""

from __future__ import annotations

import re

from ml_playground.experiments.bundestag.line import one_line
from ml_playground.experiments.bundestag.session import Speaker

_CHAIR = re.compile(r"((?:Alters|Vize)?präsident(?:in)?)(?: (.+))?", re.IGNORECASE)
# Parentheses before a comma contain a party only if it is a known one, else the speaker's town.
_MEMBER = re.compile(r"(?P<name>.+?)(?: ?\((?P<party>[^()]+)\))?(?:, ?(?P<role>.+))?")
_WELCOME = re.compile(r" ?\([^()]*\bbegrüßt\)$")

# In lower case, without spaces and periods.
_PARTY = re.compile(
    r"afd|bhe|bp|bsw|bündnis90/diegrünen|cdu|cdu/csu|csu|da|diegrünen|diegrünen/bündnis90|dielinke|dkp-drp|dp|dp/dpb"
    r"|dp/fvp|dpb|drp|drp/nr|dsu|fdp|fdp/dvp|fraktionslos|fu|fvp|gast|gb-bhe|gb/bhe|grüne|kpd|linke|lkr|nr|parteilos"
    r"|pds|pds/ll|pds/linkeliste|spd|ssw|wav|z|zentrum"
)
_OFFICE = re.compile(
    r"Parl\.|Parlamentarische[rn]? |Staats(minister|sekretär|rat)|Bundes\w*(minister|kanzler|präsident|bevollmächtigte)"
    r"|Minister|Senator|Regierende|(Erste[rn]? )?Bürgermeister|Präsident|Schriftführer|Berichterstatter|Antragsteller"
    r"|Interpellant|Anfragende|Wehrbeauftragte|Beauftragte"
)
_NAME_WORD = re.compile(
    r"(?:d['’])?[A-ZÀ-Þ][\w'’/-]*|\w{1,4}\.|\w{1,4}\.-[A-Z][a-z]{1,4}\.?|von|van|vom|de|der|den|di|da|del|zu|zur|und|auf|in|am|im|a"
)


def parse_label(text: str) -> Speaker | None:
    """Parse the speaker from a printed label; None if it is empty.

    Any text is accepted as a label. To decide whether a line of running text is a label, use :func:`strict_label`.
    """
    text = _WELCOME.sub("", one_line(text).rstrip(" :"))
    if not text:
        return None
    if (chair := _CHAIR.fullmatch(text)) and chair[2]:
        return Speaker(name=chair[2], role=chair[1], chair=True)
    member = _MEMBER.fullmatch(text)
    assert member, "the pattern takes any text"
    name, party, role = member["name"], member["party"], member["role"]
    if party and role and not is_party(party):
        name, party = f"{name} ({party})", None
    return Speaker(name=name, party=party, role=role and role.strip("'`´ "))


def strict_label(text: str) -> Speaker | None:
    """Parse a label only if the text cannot be anything else: a name, with the chair, a known party or an office."""
    speaker = parse_label(text)
    if not speaker or speaker.name.startswith("(") or not is_name(speaker.name):
        return None
    known = speaker.chair or (speaker.party and is_party(speaker.party)) or (speaker.role and is_office(speaker.role))
    return speaker if known else None


def is_chair(role: str) -> bool:
    """Return whether this is the office of a presiding officer."""
    found = _CHAIR.fullmatch(role)
    return bool(found and not found[2])


def is_party(text: str) -> bool:
    """Return whether this is a party or parliamentary group that has been in the Bundestag."""
    return bool(_PARTY.fullmatch(text.replace(" ", "").replace(".", "").lower()))


def is_office(text: str) -> bool:
    """Return whether the text starts like an office."""
    return bool(_OFFICE.match(text))


def is_name(text: str) -> bool:
    """Return whether every word could be part of a person's name."""
    words = text.replace("(", " ").replace(")", " ").split()
    return 0 < len(words) <= 8 and all(map(_NAME_WORD.fullmatch, words)) and not words[-1].islower()
