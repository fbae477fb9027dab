from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tiktoken import registry

from ml_playground.errors import DataError
from ml_playground.text.tiktoken import TiktokenTokenizer


def test_an_unknown_encoding_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(
        DataError, match=r"^prepare\.encoding: tiktoken has no encoding 'gpt-5'; there are: .*gpt2.*"
    ) as e:
        TiktokenTokenizer("gpt-5")
    assert "\n" not in str(e.value)


def test_without_files_and_network_the_line_says_where_files_would_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(registry.ENCODINGS, "r50k_base", raising=False)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "")
    with socket.socket() as bound:  # nobody listens
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(
            DataError, match=r"'r50k_base' .* cannot be fetched \(\w+\); .* TIKTOKEN_CACHE_DIR"
        ) as error:
            TiktokenTokenizer("r50k_base")
    assert "\n" not in str(error.value)


def test_a_wrong_file_from_the_network_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry.ENCODINGS, "r50k_base", raising=False)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))

    def log_in(_address: str) -> bytes:
        return b"<html>Please log in</html>"

    monkeypatch.setattr("tiktoken.load.read_file", log_in)
    with pytest.raises(DataError, match="TIKTOKEN_CACHE_DIR"):
        TiktokenTokenizer("r50k_base")
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_are_no_token_have_no_text() -> None:
    tokenizer = TiktokenTokenizer("tiny_cl100k_base")
    ids = tokenizer.encode("ä").tolist()
    gap = tokenizer.vocab_size - 2
    assert tokenizer.decode([gap, ids[0], gap, *ids[1:]]) == "ä"
    assert tokenizer.decode([gap]) == ""
