"""Another attempt at trials that have failed."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState, create_trial

from ml_playground.sweeping.points import RETRY_OF, retry_of
from ml_playground.sweeping.sweep import Sweep


def propose_retry(sweep: Sweep, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return another attempt at the first trial of which all attempts have failed; None if there is none to retry."""
    for first in trials:
        if first.state is not TrialState.FAIL or retry_of(first) is not None:
            continue
        attempts = [first, *(trial for trial in trials if retry_of(trial) == first.number)]
        if len(attempts) <= sweep.config.retry_failed and all(trial.state is TrialState.FAIL for trial in attempts):
            return create_trial(
                state=TrialState.RUNNING,
                params=first.params,
                distributions=first.distributions,
                user_attrs={**_without_reason(first), RETRY_OF: first.number},
            )
    return None


def _without_reason(trial: FrozenTrial) -> dict[str, object]:
    return {name: value for name, value in trial.user_attrs.items() if name != "reason"}
