from __future__ import annotations

from ml_playground.training.config import Metric, TrainRuntimeConfig
from ml_playground.training.state import Progress


def recorded(losses: list[float], **settings: object) -> Progress:
    runtime = TrainRuntimeConfig()
    for name, value in settings.items():
        setattr(runtime, name, value)
    progress = Progress()
    for step, loss in enumerate(losses):
        progress.step = step
        progress.record(loss, 10 - loss if step else None, runtime)
    return progress


def test_the_best_is_the_lowest_and_patience_counts_since() -> None:
    progress = recorded([3.0, 2.0, 2.5, 2.0, 2.2])
    assert (progress.best, progress.best_step, progress.patience) == (2.0, 1, 3)
    assert (progress.val_loss, progress.evaluated) == (2.2, 4)


def test_smoothing_compares_exponential_means() -> None:
    progress = recorded([4.0, 2.0, 3.0], best_smoothing_alpha=0.5)
    assert progress.smoothed == 3.0
    assert (progress.best, progress.best_step, progress.patience) == (3.0, 1, 1)


def test_the_top_k_are_kept_best_first() -> None:
    assert recorded([3.0, 1.0, 2.0, 4.0], ckpt_top_k=2).top == [(1.0, 1), (2.0, 2)]
    assert recorded([3.0, 1.0]).top == []


def test_the_training_loss_can_decide_and_is_unknown_before_the_first_step() -> None:
    progress = recorded([3.0, 2.0, 4.0, 1.0], ckpt_metric=Metric.train_loss)
    assert (progress.best, progress.best_step) == (6.0, 2)
    assert recorded([3.0], ckpt_metric=Metric.train_loss).best is None


def test_greater_can_be_better() -> None:
    progress = recorded([3.0, 4.0, 1.0], ckpt_greater_is_better=True, ckpt_top_k=2)
    assert (progress.best, progress.best_step) == (4.0, 1)
    assert progress.top == [(4.0, 1), (3.0, 0)]


def test_what_is_not_finite_is_never_best_and_counts_against_patience() -> None:
    progress = recorded([float("nan"), 3.0, float("inf"), float("nan")])
    assert (progress.best, progress.best_step, progress.patience) == (3.0, 1, 2)
    assert progress.smoothed == 3.0


def test_a_restart_forgets_what_was_best() -> None:
    progress = recorded([1.0, 2.0], ckpt_top_k=1)
    progress.restart_best()
    progress.step = 2
    progress.record(5.0, 5.0, TrainRuntimeConfig())
    assert (progress.best, progress.best_step, progress.patience, progress.top) == (5.0, 2, 0, [])
