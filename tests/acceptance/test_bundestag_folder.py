"""All real debates as one dataset."""

from __future__ import annotations

import re
from pathlib import Path

from ml_playground.composition.load import load_experiment
from ml_playground.experiments.bundestag.reader import read_session
from ml_playground.experiments.bundestag.session import render
from ml_playground.experiments.prepare import prepare

CONFIG = """
defaults = ["bundestag_char"]
[prepare]
input = "{input}"
on_bad_file = "skip"
"""


def test_the_whole_folder_is_one_dataset_in_order_of_date(workspace: Path, shared: Path) -> None:
    folder = shared / "bundestag"
    (workspace / "my.toml").write_text(CONFIG.format(input=folder), encoding="utf-8")
    dataset = prepare(load_experiment("bundestag_char", Path("my.toml")))
    meta, tokenizer = dataset.meta, dataset.tokenizer
    splits = (dataset.tokens("train"), dataset.tokens("val"))
    assert abs(meta.val_tokens / (meta.train_tokens + meta.val_tokens) - 0.1) < 0.01

    # The documents of both splits, put back into their order, are the sittings by date and then the texts by name.
    train, val = (iter(tokenizer.decode(tokens.tolist()).split("<|endoftext|>")) for tokens in splits)
    texts = {place: next(val if place in meta.val_documents else train) for place in range(meta.documents)}
    text = "".join(texts.values())
    assert [*train, *val] == ["", ""]
    protocols = [path for path in sorted(folder.rglob("*.xml")) if path.name != "18181.xml"]  # also there as TEI
    sittings = sorted(map(read_session, protocols), key=lambda session: session.date)
    said = "".join(map(render, sittings))
    assert text.startswith(said)
    # Plain texts: UTF-8 with byte order mark, or cp1252; all read with their umlauts.
    rest = text.removeprefix(said)
    assert rest.startswith("Plenarprotokoll 17/1\nDeutscher Bundestag")
    assert len(re.findall("[äöüß]", rest)) > 20_000
    assert not re.search("\ufffd|Ã|\r|\ufeff", text)
    # Every sitting is several documents, and none is so fine that a speech would be cut.
    assert len(sittings) < meta.documents < sum(len(session.turns) for session in sittings)
