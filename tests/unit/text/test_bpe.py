from __future__ import annotations

import json
import subprocess
import sys

from ml_playground.text.bpe import BpeTokenizer
from tests.unit.text.conftest import utf8

TEXT = "".join(f"{number} Abgeordnete und {number * 7 % 31} Gäste – der Saal ist voll.\n" for number in range(500))


def test_the_vocabulary_has_the_size_asked_for_and_shortens_the_text() -> None:
    small, large = BpeTokenizer.train(257, [utf8(TEXT)]), BpeTokenizer.train(400, [utf8(TEXT)])
    assert (small.vocab_size, large.vocab_size) == (257, 400)
    assert len(small.encode(TEXT)) == len(TEXT.encode())
    assert len(large.encode(TEXT)) < len(TEXT) / 2


def test_a_short_text_has_not_so_many_pairs() -> None:
    assert BpeTokenizer.train(5000, [utf8("abab")]).vocab_size == 259  # ab, abab, the end of a text


def test_another_process_learns_the_same() -> None:
    program = (
        "import sys; from ml_playground.text.bpe import BpeTokenizer;"
        "print(BpeTokenizer.train(400, [[sys.argv[1].encode()]]).state['definition'], end='')"
    )
    here = BpeTokenizer.train(400, [utf8(TEXT)]).state["definition"]
    for threads in ("true", "false"):
        result = subprocess.run(
            [sys.executable, "-c", program, TEXT],
            env={"TOKENIZERS_PARALLELISM": threads},
            capture_output=True,
            check=True,
        )
        assert result.stdout.decode() == here


def test_a_part_of_a_character_is_shown_as_such() -> None:
    tokenizer = BpeTokenizer.train(257, [])
    first, second = tokenizer.encode("ä").tolist()
    assert tokenizer.decode([first]) == "\N{REPLACEMENT CHARACTER}"
    assert tokenizer.decode([first, second]) == "ä"


def test_a_vocabulary_of_old_has_no_end_of_text() -> None:
    definition = json.loads(BpeTokenizer.train(300, [utf8(TEXT)]).state["definition"])
    definition["added_tokens"] = []
    old = BpeTokenizer(json.dumps(definition))
    assert (old.vocab_size, old.end_of_text) == (299, None)
    assert old.decode(old.encode(TEXT).tolist()) == TEXT
