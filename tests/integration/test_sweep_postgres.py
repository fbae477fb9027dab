"""A study in PostgreSQL: whatever happens to the server, no trial is lost, and none is trained twice."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Callable, Generator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, cast

import optuna
import psycopg
import pytest
from optuna.trial import TrialState
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from ml_playground.errors import Stopped, UserError
from ml_playground.runs.listing import find_runs
from ml_playground.sweeping import server as waiting
from ml_playground.sweeping.database import StudyError, StudyUnreachableError, parse_storage
from ml_playground.sweeping.storage import open_storage
from ml_playground.sweeping.study import open_study, open_trial
from tests.integration import children
from tests.integration.sweeps import begin, run, small
from tests.postgres import Server, running_server

FOLDER = Path("outputs/sweeps/bundestag_char-small")
TINY = Path("tiny.toml")
SEARCH: dict[str, object] = {"sampler": "random", "pruner": "none", "tokens": 2048, "eval_tokens": 256}


@pytest.fixture(scope="module")
def postgres() -> Generator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(postgres: Server, workspace: Path) -> Server:
    """The server, with no studies."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgres


def restart_while_it_grows(server: Server, processes: list[ForkServerProcess], restarts: int) -> None:
    for count in range(restarts):
        before = size()
        while size() < before + 500:
            assert all(process.is_alive() for process in processes), children.log(Path.cwd())
            time.sleep(0.001)
        server.stop("immediate" if count % 2 else "fast")
        server.start()


def size() -> int:
    return sum(path.stat().st_size for path in FOLDER.glob("trials/*/metrics.jsonl"))


@pytest.mark.parametrize(
    ("n_trials", "restarts"), [(8, 2), pytest.param(60, 20, marks=pytest.mark.nightly)], ids=["short", "long"]
)
def test_four_workers_and_a_server_that_is_restarted(
    server: Server, workspace: Path, n_trials: int, restarts: int
) -> None:
    expected = [(trial.params, trial.intermediate_values) for trial in run(small(n_trials=n_trials, **SEARCH))]
    (workspace / "outputs/sweeps").rename(workspace / "alone")
    sweep = small(n_trials=n_trials, storage=server.url, **SEARCH)
    begin(sweep)
    workers = [children.start(workspace, TINY, verb="join") for _ in range(4)]
    restart_while_it_grows(server, workers, restarts)
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4, children.log(workspace)
    trials = open_study(sweep).get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * n_trials
    assert [(trial.params, trial.intermediate_values) for trial in trials] == expected
    runs = find_runs(FOLDER)
    assert [(found.status, found.manifest.resumed_from) for found in runs] == [("finished", None)] * n_trials
    said = "".join(path.read_text(encoding="utf-8") for path in workspace.glob("**/*.log"))
    assert said.count("the study's database cannot be reached") == said.count("can be reached again") > 0
    for path in workspace.glob("**/*"):
        assert not path.is_file() or server.password.encode() not in path.read_bytes(), path


def lose_connection_after_commit(monkeypatch: pytest.MonkeyPatch, commits: int) -> None:
    """The server commits, but the connection ends before it says so."""
    commit = cast("Callable[[PGDialect_psycopg, Any], None]", PGDialect_psycopg.do_commit)
    count = 0

    def lossy(self: PGDialect_psycopg, connection: Any) -> None:
        nonlocal count
        commit(self, connection)
        count += 1
        if count == commits:
            connection.driver_connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(PGDialect_psycopg, "do_commit", lossy)


def test_a_commit_whose_answer_is_lost_is_not_repeated(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = open_storage(parse_storage(server.url))
    template = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={"a": 1})
    lose_connection_after_commit(monkeypatch, 1)
    study = optuna.create_study(storage=storage, study_name="s")
    lose_connection_after_commit(monkeypatch, 1)
    study.add_trial(template)
    lose_connection_after_commit(monkeypatch, 1)
    open_trial(study, 0).report(2.0, 1)
    # Optuna reads the trial before it sets its state.
    lose_connection_after_commit(monkeypatch, 1)
    study.tell(0, 1.0)
    (trial,) = study.trials
    assert (trial.state, trial.value, trial.intermediate_values) == (TrialState.COMPLETE, 1.0, {1: 2.0})
    assert trial.user_attrs == {"a": 1}
    assert capsys.readouterr().err.count("can be reached again") == 4


def test_a_server_that_stays_away_is_one_line_and_a_signal_stops_the_waiting(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = small(n_trials=1, storage=server.url, **SEARCH)
    study = begin(sweep)
    server.stop()
    try:
        with pytest.raises(
            UserError, match=r"\Astorage postgresql://[^\n]* cannot be reached: [^\n]* the server runs\Z"
        ):
            begin(sweep)
        threading.Timer(0.5, _thread.interrupt_main).start()
        with pytest.raises(Stopped):
            study.get_trials()
        monkeypatch.setattr(waiting, "_SECONDS_TO_WAIT", 0.5)
        for call in (study.get_trials, lambda: open_study(sweep)):
            with pytest.raises(StudyUnreachableError, match=r"\A[^\n]*, for more than 0.5 s; run the same command"):
                call()
    finally:
        server.start()
    assert study.get_trials() == []


def test_what_waiting_does_not_mend_is_said_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(UserError, match=r"password authentication failed for user") as error:
        open_storage(parse_storage(server.url))
    assert "\n" not in str(error.value)
    monkeypatch.delenv("PGPASSWORD")
    with pytest.raises(UserError, match=r'database "none" does not exist'):
        open_storage(parse_storage(server.url.replace("/postgres", "/none")))
    study = optuna.create_study(storage=open_storage(parse_storage(server.url)))
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
    with pytest.raises(StudyError, match=r"\Astorage .* the study's database fails: .* to resume\Z"):
        study.set_user_attr("a", 1)
