"""Learning rate over steps."""

from __future__ import annotations

import math

from ml_playground.training.config import Decay, OptimConfig, ScheduleConfig


def learning_rate(step: int, optim: OptimConfig, schedule: ScheduleConfig) -> float:
    """The rate of the update number ``step`` (from 0): linear warm-up, then the decay, then ``min_lr``.

    The warm-up and the cosine are nanoGPT's ``get_lr``; ``wsd`` is MiniCPM's (Hu et al., 2024) with a linear decay.
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
