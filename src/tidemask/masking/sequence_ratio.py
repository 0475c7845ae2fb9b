"""Ratios per sequence: a distribution around the schedule.

The schedule gives the mean; each sequence draws its own ratio around it. Uniform on (0, 1] with the
loss weight `inverse_ratio` is the objective of masked diffusion.

Dimension: `B` sequences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from tidemask.settings import OneOf, Settings, members


@dataclass(frozen=True, kw_only=True)
class Same(Settings):
    """Every sequence of a step has the scheduled ratio."""

    distribution: Literal["same"] = "same"


@dataclass(frozen=True, kw_only=True)
class UniformAround(Settings):
    """Uniform on an interval whose middle is the scheduled ratio.

    Where the interval would leave [0, 1] it is narrowed on both sides, so that its middle stays.
    """

    distribution: Literal["uniform"] = "uniform"
    half_width: float = 0.5
    """Half the length of the interval, in (0, 0.5]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.half_width <= 0.5:
            raise ValueError(
                f"half_width={self.half_width:g}. Expected a number above 0, at most 0.5."
            )

    def interval(self, ratio: float) -> tuple[float, float]:
        """Its ends where the schedule gives `ratio`; the lower one is not included."""
        half = min(self.half_width, ratio, 1.0 - ratio)
        return ratio - half, ratio + half


@dataclass(frozen=True, kw_only=True)
class BetaAround(Settings):
    """Beta distribution with the scheduled ratio as its mean.

    `Beta(c r, c (1 - r))` with ratio `r` and concentration `c` has the variance
    `r (1 - r) / (c + 1)`.
    """

    distribution: Literal["beta"] = "beta"
    concentration: float = 10.0
    """`c`: the larger, the nearer to the schedule; above 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.concentration < math.inf:
            raise ValueError(f"concentration={self.concentration:g}. Expected a number above 0.")

    def interval(self, ratio: float) -> tuple[float, float]:
        """One standard deviation on either side of the scheduled `ratio`, within [0, 1]."""
        deviation = math.sqrt(ratio * (1.0 - ratio) / (self.concentration + 1.0))
        return max(0.0, ratio - deviation), min(1.0, ratio + deviation)


PerSequence = Annotated[Same | UniformAround | BetaAround, OneOf("distribution")]
"""Any distribution of ratios over the sequences of a step."""

DISTRIBUTIONS: dict[str, type[PerSequence]] = members(PerSequence)
"""Distributions by the name that `masking.per_sequence.distribution` gives."""
