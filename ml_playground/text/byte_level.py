"""GPT-2's way to write arbitrary bytes as printable characters, in which byte-level vocabularies are stored."""

from __future__ import annotations


def bytes_by_character() -> dict[str, int]:
    """Return GPT-2's map from characters to bytes: printable bytes keep their code point, the others start at 256."""
    printed = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {chr(256 + place): byte for place, byte in enumerate(others)}


_CHARACTERS = {byte: character for character, byte in bytes_by_character().items()}


def byte_level(text: bytes) -> str:
    """Return bytes as such characters, one for each."""
    return "".join([_CHARACTERS[byte] for byte in text])
