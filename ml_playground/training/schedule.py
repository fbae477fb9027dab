"""Learning rate schedules."""

from __future__ import annotations

import math

from ml_playground.training.config import Decay, OptimConfig, ScheduleConfig


def stable_steps(schedule: ScheduleConfig, max_iters: int) -> int:
    """Return the number of updates whose learning rate is the same in a longer run with the same warm-up; 0 for none.

    ``wsd`` has them before its decay (Hu et al., 2024). A cosine depends on the length of the run from the start.
    """
    if schedule.decay is Decay.constant:
        return max_iters
    if schedule.decay is Decay.wsd:
        decay = (1 - schedule.decay_fraction) * schedule.lr_decay_iters
        return min(max_iters, max(schedule.warmup_iters, int(decay)))
    return 0


def learning_rate(step: int, optim: OptimConfig, schedule: ScheduleConfig) -> float:
    """Return the learning rate of update ``step`` (from 0): linear warm-up, then the decay, then ``min_lr``.

    Warm-up and cosine decay follow nanoGPT's ``get_lr``; ``wsd`` follows MiniCPM (Hu et al., 2024), with linear decay.
    """
    peak, floor = optim.learning_rate, schedule.min_lr
    if step < schedule.warmup_iters:
        return peak * (step + 1) / (schedule.warmup_iters + 1)
    if schedule.decay is Decay.constant:
        return peak
    if step >= schedule.lr_decay_iters:
        return floor
    if schedule.decay is Decay.wsd:
        start = max(schedule.warmup_iters, (1 - schedule.decay_fraction) * schedule.lr_decay_iters)
    else:
        start = schedule.warmup_iters
    progress = max(0.0, (step - start) / (schedule.lr_decay_iters - start))
    shape = 0.5 * (1 + math.cos(math.pi * progress)) if schedule.decay is Decay.cosine else 1 - progress
    return floor + shape * (peak - floor)
