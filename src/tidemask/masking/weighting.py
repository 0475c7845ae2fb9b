"""Weights per class: which kinds of words are masked more.

A weighting turns the cumulative class losses into one weight per class; `selection.py` turns
weights and a ratio into inclusion probabilities. Uniform weighting has no weights at all.

Dimension: `K` classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from tidemask.masking.class_loss import Estimator
from tidemask.settings import Settings, check_at_least

_EQUAL_UP_TO = 1e-9
"""Relative spread below which losses differ by rounding alone."""

NEUTRAL_WEIGHT = 0.5
"""Weight of a token without class and of a class not yet seen; the middle of the sigmoid."""


@dataclass(frozen=True, kw_only=True)
class Uniform(Settings):
    """Every maskable token alike."""

    weighting: Literal["uniform"] = "uniform"


@dataclass(frozen=True, kw_only=True)
class ByClassLoss(Settings):
    """Classes that the model has not learned yet are masked more (PTW)."""

    weighting: Literal["class_loss"] = "class_loss"
    classes: Literal["upos"] = "upos"
    """What the classes are: the 17 universal part-of-speech tags that preparation recorded."""
    horizon_steps: int | Literal["auto"] = "auto"
    """Memory of the class loss in optimizer steps; `auto` is min(1000, 5 % of the run)."""
    sharpness: float = 2.0
    """`beta`: how steeply weights follow the standardised class loss; at least 0."""
    estimator: Estimator = "decayed_sums"
    """How losses are accumulated; see `ClassLoss`."""
    blend_in: bool = True
    """Whether weights are uniform for the first horizon and blend in over the second."""

    def __post_init__(self) -> None:
        check_at_least("sharpness", self.sharpness, 0.0)
        if self.horizon_steps != "auto":
            check_at_least("horizon_steps", self.horizon_steps, 1)

    def horizon(self, max_steps: int) -> float:
        """Memory of the class loss in optimizer steps for a run of `max_steps`."""
        if self.horizon_steps == "auto":
            return max(1.0, min(1000.0, 0.05 * max_steps))
        return float(self.horizon_steps)


Weighting = Uniform | ByClassLoss
"""Any weighting."""

WEIGHTINGS: dict[str, type[Weighting]] = {"uniform": Uniform, "class_loss": ByClassLoss}
"""Weightings by the name that `masking.content.weighting` gives."""


def class_loss_weights(
    class_loss: Float[Tensor, "K"], *, sharpness: float, blend: float
) -> Float[Tensor, "K"]:
    """Weight of each class from its cumulative loss.

    `W[k] = sigmoid(sharpness (L[k] - mean(L)) / std(L))` with mean and sample standard deviation
    over the classes seen so far, mixed with the neutral weight:
    `(1 - blend) 0.5 + blend W[k]`. With fewer than two classes seen, or none that differs, all
    weights are neutral.

    Args:
        class_loss: nats per token; NaN for a class not yet seen.
        sharpness: `beta`, at least 0.
        blend: 0 for uniform weights, 1 for weights by loss.

    Returns:
        Weights in (0, 1), float64.

    References:
        Yang, Zhang, Zhao 2023, section 4.2, equation for `W`. Deviations: standardised over seen
        classes, blended in; method.md, section 3.
    """
    class_loss = class_loss.to(torch.float64)
    seen = ~torch.isnan(class_loss)
    neutral = torch.full_like(class_loss, NEUTRAL_WEIGHT)
    if int(seen.sum()) < 2:
        return neutral
    mean, spread = class_loss[seen].mean(), class_loss[seen].std()
    if not spread > _EQUAL_UP_TO * mean.abs():
        return neutral
    weight = torch.sigmoid(sharpness * (class_loss - mean) / spread)
    return torch.where(seen, (1.0 - blend) * neutral + blend * weight, neutral)


def blend_at(step: int, *, horizon: float) -> float:
    """How far weights are blended in: 0 in the first horizon, rising to 1 over the second."""
    return min(1.0, max(0.0, (step - horizon) / horizon))
