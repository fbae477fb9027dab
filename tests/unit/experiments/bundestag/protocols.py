"""Small protocols in each of the formats."""

from __future__ import annotations

from collections.abc import Sequence

SPEECH = (("Präsidentin Bas:", "Guten Morgen!"), ("Ott (SPD):", "Frau Präsidentin! Ich fange an."))


def protocol_xml(number: int, day: str, turns: Sequence[tuple[str, str]] = SPEECH) -> str:
    """Term 20, as the Bundestag publishes it."""
    said = "".join(f"<name>{label}</name><p>{text}</p><kommentar>(Beifall)</kommentar>" for label, text in turns)
    facts = f'wahlperiode="20" sitzung-nr="{number}" sitzung-datum="{day}"'
    return f"<dbtplenarprotokoll {facts}><sitzungsverlauf>{said}</sitzungsverlauf></dbtplenarprotokoll>"


def old_xml(number: int, day: str, turns: Sequence[tuple[str, str]] = SPEECH) -> str:
    """Term 18."""
    said = "".join(f"{label}\n{text}\n\n" for label, text in turns)
    facts = f"<WAHLPERIODE>18</WAHLPERIODE><DOKUMENTART>PLENARPROTOKOLL</DOKUMENTART><NR>18/{number}</NR>"
    return f"<DOKUMENT>{facts}<DATUM>{day}</DATUM><TEXT>{said}</TEXT></DOKUMENT>"


def tei(number: int, day: str, turns: Sequence[tuple[str, str]] = SPEECH) -> str:
    """Term 13, as GermaParl has it."""
    said = "".join(
        f'<sp role="{"presidency" if "räsident" in label else "mp"}"><speaker>{label}</speaker><p>{text}</p></sp>'
        for label, text in turns
    )
    title = f"<titleStmt><legislativePeriod>13</legislativePeriod><sessionNo>{number}</sessionNo></titleStmt>"
    header = f"<fileDesc>{title}<publicationStmt><date>{day}</date></publicationStmt></fileDesc>"
    body = f'<text><body><div type="agenda_item">{said}</div></body></text>'
    return f"<TEI><teiHeader>{header}</teiHeader>{body}</TEI>"
