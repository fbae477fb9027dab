from __future__ import annotations

from ml_playground.experiments.bundestag import reader, session
from ml_playground.text.bundestag import reader as old_reader
from ml_playground.text.bundestag import session as old_session


def test_scripts_of_the_version_before_find_the_readers() -> None:
    assert old_reader.read_session is reader.read_session
    assert old_session.render is session.render
