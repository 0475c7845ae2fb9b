"""Weightings that follow what the model has learned, beside that by class loss.

`class_statistic` weights classes by one of several statistics of their predictions, through a map;
`class_statistic.py` computes them. `model_score` weights every position by what the model says of
it in this very batch. `weighting.py` has the weightings together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidemask.masking.map_settings import PowerMap, SigmoidMap, WeightMap
from tidemask.masking.schedule import Constant, Schedule
from tidemask.settings import Settings, check_at_least
from tidemask.token_classes import UPOS_COLUMN

_ALWAYS = Constant(ratio=1.0)
_SIGMOID = SigmoidMap()
_IN_PROPORTION = PowerMap()

Statistic = Literal["loss", "accuracy", "inverted_loss", "learnability", "progress"]
"""What is known of each class; `ClassStatistic` has the formulas."""


@dataclass(frozen=True, kw_only=True)
class ByClassStatistic(Settings):
    """Classes are masked more, the more a statistic of their predictions speaks for it."""

    weighting: Literal["class_statistic"] = "class_statistic"
    statistic: Statistic
    """`loss`, `accuracy`, `inverted_loss`, `learnability` or `progress`. Weights rise with it, but
    for `accuracy` and `inverted_loss`, with which they fall."""
    mapping: WeightMap = _SIGMOID
    """How weights follow the statistic."""
    floor: float = 0.0
    """Smallest weight of a class, in [0, 1], where 1 is as often as without weights."""
    ceiling: float | Literal["none"] = "none"
    """Largest weight of a class, at least 1."""
    update_every_steps: int = 1
    """Optimizer steps for which weights stay as they are, at least 1."""
    classes: str = UPOS_COLUMN
    """What the classes are, as in the weighting `class_loss`: `upos`, `vocabulary`, or the name of
    a column of classes."""
    horizon_steps: int | Literal["auto"] = "auto"
    """Memory of the statistic in optimizer steps; `auto` is min(1000, 5 % of the run)."""
    fast_horizon_steps: int | Literal["auto"] = "auto"
    """Memory of the fast average of `progress`, shorter than `horizon_steps`; `auto` is a fifth."""
    prior_tokens: float = 0.0
    """So many tokens of the mean over all classes are added to each class, at least 0; rare classes
    are drawn towards that mean. Not for `progress`, which has a standard error."""
    blend_in: bool = True
    """Whether weights are uniform for the first horizon and blend in over the second."""
    blend: Schedule = _ALWAYS
    """How much of the weighting holds at each progress, 0 for uniform; beside `blend_in`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.floor <= 1.0:
            raise ValueError(f"floor={self.floor:g}. Expected a weight from 0 to 1.")
        if self.ceiling != "none":
            check_at_least("ceiling", self.ceiling, 1.0)
        check_at_least("update_every_steps", self.update_every_steps, 1)
        check_at_least("prior_tokens", self.prior_tokens, 0.0)
        if self.prior_tokens and self.statistic == "progress":
            raise ValueError(
                f"prior_tokens={self.prior_tokens:g} with statistic=progress. Expected 0, as it is "
                "over its standard error, which is large for a rare class."
            )
        slow, fast = self.horizon_steps, self.fast_horizon_steps
        for name, steps in (("horizon_steps", slow), ("fast_horizon_steps", fast)):
            if steps != "auto":
                check_at_least(name, steps, 1)
        if slow != "auto" and fast != "auto" and fast >= slow:
            raise ValueError(
                f"fast_horizon_steps={fast} with horizon_steps={slow}. Expected fewer steps."
            )

    def horizon(self, max_steps: int) -> float:
        """Memory of the statistic in optimizer steps for a run of `max_steps`."""
        return horizon_of_run(self.horizon_steps, max_steps)

    def fast_horizon(self, max_steps: int) -> float:
        """Memory of the fast average in optimizer steps; at most that of the slow one."""
        slow = self.horizon(max_steps)
        if self.fast_horizon_steps == "auto":
            return max(1.0, slow / 5.0)
        return min(slow, float(self.fast_horizon_steps))


PositionScore = Literal["entropy", "loss"]
"""What a forward pass over the unmasked text says of each position: the entropy of the prediction,
or the cross-entropy of the token that stands there; nats."""


@dataclass(frozen=True, kw_only=True)
class ByModelScore(Settings):
    """Positions are masked more, the larger their score is in a forward pass just before."""

    weighting: Literal["model_score"] = "model_score"
    score: PositionScore = "entropy"
    """`entropy` of the prediction at the position, or `loss` of the token that stands there."""
    mapping: WeightMap = _IN_PROPORTION
    """How weights follow the score, among the maskable positions of a sequence."""
    floor: float = 0.0
    """Smallest weight of a position, in [0, 1], where 1 is as often as without weights."""
    every_steps: int = 1
    """Optimizer steps from one that is scored to the next; the others are masked uniformly."""
    blend: Schedule = _ALWAYS
    """How much of the weighting holds at each progress; where it is 0 nothing is scored."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.floor <= 1.0:
            raise ValueError(f"floor={self.floor:g}. Expected a weight from 0 to 1.")
        check_at_least("every_steps", self.every_steps, 1)

    def is_scored(self, *, progress: float, step: int) -> bool:
        """Whether a step needs scores."""
        return step % self.every_steps == 0 and self.blend(progress) > 0.0


def horizon_of_run(horizon_steps: int | Literal["auto"], max_steps: int) -> float:
    """A memory in optimizer steps; `auto` is 5 % of the run, at least 1 and at most 1000."""
    if horizon_steps == "auto":
        return max(1.0, min(1000.0, 0.05 * max_steps))
    return float(horizon_steps)
