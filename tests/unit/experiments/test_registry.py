from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ml_playground.errors import DataError, UserError
from ml_playground.experiments.registry import default_folder, find_preparer, preparer
from ml_playground.text.config import PrepareConfig
from ml_playground.text.conversation import ConversationFile
from ml_playground.text.source import TextInMemory, TextSource


def text_of(source: TextSource | ConversationFile) -> str:
    assert not isinstance(source, ConversationFile)
    return b"".join(chunk for document in source.documents() for chunk in document).decode()


def test_preparers_below_experiments_are_found_without_a_list() -> None:
    assert find_preparer("bundestag_char") is find_preparer("bundestag_tiktoken")
    assert find_preparer("shakespeare").__module__.startswith("ml_playground.experiments.shakespeare")


def test_an_unknown_preparer_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match=r"no preparer is named 'bundestag_chr'; did you mean 'bundestag_char'\?"):
        find_preparer("bundestag_chr")
    with pytest.raises(UserError, match=r"there are: .*bundestag_char"):
        find_preparer("zzz")


def test_a_name_cannot_be_taken_twice() -> None:
    def mine(config: PrepareConfig) -> TextSource:
        raise NotImplementedError(config)

    with pytest.raises(ValueError, match="registered twice"):
        preparer("bundestag_char")(mine)


def test_an_installed_package_brings_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "third_party_corpus.py").write_text(
        "from ml_playground.experiments.registry import preparer\n"
        "from ml_playground.text.source import TextInMemory\n"
        "@preparer('third_party')\n"
        "def third_party(config):\n"
        "    return TextInMemory('theirs', 'text')\n",
        encoding="utf-8",
    )
    metadata = tmp_path / "third_party_corpus-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-corpus\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ml_playground.experiments]\ncorpus = third_party_corpus\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    source = find_preparer("third_party")(PrepareConfig(preparer="third_party"))
    assert source.description == "theirs"
    sys.modules.pop("third_party_corpus")


def test_a_package_that_is_broken_stops_only_who_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = tmp_path / "broken_corpus-1.0.dist-info"
    metadata.mkdir()
    (tmp_path / "broken_corpus.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-corpus\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ml_playground.experiments]\ncorpus = broken_corpus\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_preparer("bundestag_char") is not None
    with pytest.raises(UserError, match=r"'mine', and broken_corpus cannot be imported \(ModuleNotFoundError: "):
        find_preparer("mine")


def test_in_a_checkout_an_experiments_own_text_lies_beside_its_preparer(workspace: Path) -> None:
    assert default_folder("shakespeare") == Path("data/shakespeare")
    (workspace / "ml_playground/experiments/shakespeare").mkdir(parents=True)
    assert default_folder("shakespeare") == Path("ml_playground/experiments/shakespeare/datasets")


def test_bundestag_char_reads_the_input_it_is_given(workspace: Path) -> None:
    source = find_preparer("bundestag_char")(PrepareConfig(preparer="x", input=Path("input.txt")))
    assert text_of(source) == (workspace / "input.txt").read_text(encoding="utf-8")


def test_bundestag_char_reads_the_default_file_where_the_user_put_one(workspace: Path) -> None:
    path = Path("data/bundestag_char/input.txt")
    path.parent.mkdir(parents=True)
    path.write_text("Mein Text", encoding="utf-8")
    assert text_of(find_preparer("bundestag_char")(PrepareConfig(preparer="x"))) == "Mein Text"


def test_bundestag_char_says_that_it_uses_the_sample_and_where_text_belongs(workspace: Path) -> None:
    source = find_preparer("bundestag_char")(PrepareConfig(preparer="x"))
    assert isinstance(source, TextInMemory)
    assert "built-in sample" in source.description
    assert "data/bundestag_char/input.txt does not exist" in source.description


def test_an_input_that_is_named_but_missing_is_an_error_and_not_the_sample(workspace: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.txt: cannot be read"):
        _ = find_preparer("bundestag_char")(PrepareConfig(preparer="x", input=Path("missing.txt"))).fingerprint


@pytest.mark.parametrize("name", ["shakespeare", "shakespeare_char"])
def test_shakespeare_that_is_there_is_not_fetched_and_not_replaced(workspace: Path, name: str) -> None:
    config = PrepareConfig(preparer=name, input=Path("input.txt"), url="nowhere", sha256="0" * 64)
    source = find_preparer(name)(config)
    assert text_of(source) == (workspace / "input.txt").read_text(encoding="utf-8")


def test_shakespeare_that_cannot_be_fetched_says_where_to_put_it(workspace: Path) -> None:
    path = Path("data/shakespeare/input.txt")
    with pytest.raises(DataError, match=rf"'nowhere': .*put it at {path}$"):
        find_preparer("shakespeare")(PrepareConfig(preparer="shakespeare", url="nowhere"))
    assert not path.exists()


def test_preparers_are_found_without_loading_an_http_client() -> None:
    program = (
        "import sys; from ml_playground.experiments.registry import find_preparer\n"
        "find_preparer('shakespeare'); assert 'httpx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
