"""The learning rate: the peak that is usual for a model, and its curve over the steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import get_scheduler

from tidemask.training.settings import TrainingSettings

_USUAL_LEARNING_RATES = ((256, 1e-3), (512, 5e-4), (768, 2e-4), (math.inf, 1e-4))
WARM_START_LEARNING_RATE = 5e-5
"""For a model that is trained already; what transformers' own arguments begin with."""


def usual_learning_rate(hidden_size: int) -> float:
    """Peak learning rate that the field uses for an encoder of that width, from scratch.

    1e-3 up to 256, 5e-4 up to 512, 2e-4 up to 768 and 1e-4 beyond: between those that BERT (1e-4,
    Devlin et al. 2019) and ELECTRA (5e-4 small, 2e-4 base; Clark et al. 2020) were trained with at
    batches of 128 and 256 sequences. Larger batches take larger ones; nothing was tuned here.
    """
    return next(rate for width, rate in _USUAL_LEARNING_RATES if hidden_size <= width)


def learning_rate_at(settings: TrainingSettings, step: int) -> float:
    """The learning rate of a step, 0-based; at `num_steps`, that with which the run ends.

    Args:
        settings: resolved.
        step: in [0, num_steps].
    """
    assert settings.learning_rate != "auto", "settings are resolved first"
    curve = learning_rate_curve(settings)
    schedule: Any = get_scheduler(
        curve["lr_scheduler_type"],
        torch.optim.SGD([torch.zeros(1)], lr=settings.learning_rate),
        num_warmup_steps=settings.num_warmup_steps(),
        num_training_steps=settings.num_steps,
        scheduler_specific_kwargs=curve.get("lr_scheduler_kwargs"),
    )
    return float(settings.learning_rate * schedule.lr_lambdas[0](step))


def learning_rate_curve(settings: TrainingSettings) -> dict[str, Any]:
    """Arguments of the Trainer for the curve that settings ask for."""
    names = {"constant": "constant_with_warmup", "wsd": "warmup_stable_decay"}
    name = names.get(settings.lr_schedule, settings.lr_schedule)
    if settings.lr_schedule != "wsd":
        return {"lr_scheduler_type": name}
    decay = {"num_decay_steps": settings.num_decay_steps(), "decay_type": settings.lr_decay_shape}
    return {"lr_scheduler_type": name, "lr_scheduler_kwargs": decay}
