"""A study on a database server, which may be restarted while the sweep runs."""

from __future__ import annotations

import contextlib
import functools
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL

from ml_playground.signals import stopping_on_signals
from ml_playground.sweeping.database import StudyUnreachableError
from ml_playground.terminal.console import say
from ml_playground.terminal.numbers import duration

T = TypeVar("T")

_SECONDS_TO_WAIT = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_LIBPQ = {
    "connect_timeout": "10",
    # A server that has lost power does not end connections; the client finds out after a minute.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    # The same for a client that has lost power in a transaction, whose row locks would block all others.
    "options": "-c idle_in_transaction_session_timeout=60s",
}
_REPEATABLE = (
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "set_study_user_attr",
    "set_study_system_attr",
    "get_all_studies",
    "get_trial",
    "_get_trials",
    "set_trial_intermediate_value",
    "set_trial_user_attr",
    "set_trial_system_attr",
)
"""Operations of the storage that may be repeated even if they have succeeded before."""


def patiently(call: Callable[[], T], find: Callable[[], T | None] | None = None) -> T:
    """Repeat a transaction while the server cannot be reached, for ten minutes at most; signals stop the waiting.

    Args:
        call: The transaction.
        find: For a transaction that must not be repeated, returns its result if it has succeeded before: if the
            connection is lost during a commit, only the server knows.

    Raises:
        StudyUnreachableError: If the server cannot be reached for too long.
        Stopped: If a signal was received while waiting.
    """
    deadline, pause = time.monotonic() + _SECONDS_TO_WAIT, _FIRST_PAUSE
    try:
        return call()
    except StudyUnreachableError as error:
        say(f"{error}; trying again for up to {duration(_SECONDS_TO_WAIT)}")
    with stopping_on_signals():
        while True:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                found = find() if find else None
                result = call() if found is None else found
                break
            except StudyUnreachableError as error:
                if time.monotonic() > deadline:
                    waited = f"for more than {duration(_SECONDS_TO_WAIT)}"
                    raise StudyUnreachableError(f"{error}, {waited}; run the same command to resume") from None
    say("the study's database can be reached again")
    return result


class ServerStorage(RDBStorage):
    """Optuna's storage, which waits while the server cannot be reached."""

    def __init__(self, url: URL) -> None:
        # Escape braces, because Optuna calls str.format on the URL.
        text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
        settings = _LIBPQ if url.get_driver_name() == "psycopg" else {}
        own = {key: value for key, value in settings.items() if key not in url.query}
        super().__init__(text, engine_kwargs={"connect_args": own})
        weakref.finalize(self, self.engine.dispose)  # the driver warns about connections that nobody closes

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        def find() -> int | None:
            with contextlib.suppress(KeyError):
                return self.get_study_id_from_name(str(study_name))
            return None

        return patiently(lambda: RDBStorage.create_new_study(self, directions, study_name), find)

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        def find() -> FrozenTrial | None:
            # Only one process at a time adds trials, and this one starts at a microsecond of its own.
            last = self.get_all_trials(study_id)[-1:]
            start = template_trial and template_trial.datetime_start
            return last[0] if start and last and last[0].datetime_start == start else None

        return patiently(lambda: RDBStorage._create_new_trial(self, study_id, template_trial), find)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        return patiently(
            lambda: RDBStorage.set_trial_state_values(self, trial_id, state, values),
            lambda: True if state.is_finished() and self.get_trial(trial_id).state is state else None,
        )


def _patient(name: str) -> Callable[..., object]:
    operation = cast("Callable[..., object]", getattr(RDBStorage, name))

    @functools.wraps(operation)
    def method(*args: Any, **kwargs: Any) -> object:
        return patiently(functools.partial(operation, *args, **kwargs))

    return method


for _name in _REPEATABLE:
    setattr(ServerStorage, _name, _patient(_name))
