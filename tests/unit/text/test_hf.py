from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.errors import DataError
from ml_playground.sampling.streaming import TextStream
from ml_playground.text.config import PrepareConfig
from ml_playground.text.hf import HuggingFaceTokenizer
from ml_playground.text.tokenizer import Tokenizer, load_tokenizer, tokenizer_settings, train_tokenizer
from tests.integration.finetuning import write_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "model"
    write_tokenizer(path)
    return path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return train_tokenizer(PrepareConfig(tokenizer="hf", tokenizer_path=folder), [])


@given(st.text(max_size=40))
def test_any_text_comes_back_and_again_from_the_state(tokenizer: Tokenizer, text: str) -> None:
    again = load_tokenizer(tokenizer.state)
    ids = [int(token) for token in again.encode(text)]
    assert again.decode(ids) == text
    stream = TextStream(tokenizer, prompt=[0])
    for token in ids:
        stream.push(token)
    stream.finish()
    assert stream.text == text


def test_special_tokens_separate_documents_and_are_plain_text_in_a_text(tokenizer: Tokenizer) -> None:
    assert (tokenizer.start_of_text, tokenizer.end_of_text) == (0, 1)
    assert not {0, 1} & {int(token) for token in tokenizer.encode("<s> and </s>")}
    assert tokenizer.decode([0, *map(int, tokenizer.encode("a")), 1]) == "a"


def test_the_dataset_is_prepared_again_when_the_tokenizer_changes(folder: Path, tmp_path: Path) -> None:
    before = tokenizer_settings(PrepareConfig(tokenizer="hf", tokenizer_path=folder))
    write_tokenizer(tmp_path)
    same = tokenizer_settings(PrepareConfig(tokenizer="hf", tokenizer_path=tmp_path))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<s>"}), encoding="utf-8")
    assert before == same != tokenizer_settings(PrepareConfig(tokenizer="hf", tokenizer_path=tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("tokenizer.json", "{}", r"tokenizer\.json cannot be read: "),
        ("tokenizer_config.json", "x", r"tokenizer_config\.json is not JSON"),
        ("tokenizer_config.json", "[]", "names no eos_token"),
        ("tokenizer_config.json", '{"eos_token": "</none>"}', "has no end-of-sequence token '</none>'"),
    ],
)
def test_what_is_no_tokenizer_is_refused_in_one_line(tmp_path: Path, name: str, content: str, problem: str) -> None:
    write_tokenizer(tmp_path)
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=problem) as error:
        train_tokenizer(PrepareConfig(tokenizer="hf", tokenizer_path=tmp_path), [])
    assert "\n" not in str(error.value)


def test_the_setting_that_is_missing_is_named() -> None:
    with pytest.raises(DataError, match=r"^prepare\.tokenizer_path: missing"):
        train_tokenizer(PrepareConfig(tokenizer="hf"), [])


def test_the_first_word_after_the_start_of_a_text_has_no_space(shared: Path) -> None:
    folder = shared / "tiny-lm" / "stories260K"
    tokenizer = train_tokenizer(PrepareConfig(tokenizer="hf", tokenizer_path=folder), [])
    assert isinstance(tokenizer, HuggingFaceTokenizer)
    ids = [int(token) for token in tokenizer.encode("Once upon a time")]
    texts: list[str] = []
    for prompt in ([1], [1, *ids]):
        stream = TextStream(tokenizer, prompt=prompt)
        for token in ids:
            stream.push(token)
        texts.append(stream.text)
    assert texts == ["Once upon a time", " Once upon a time"]
