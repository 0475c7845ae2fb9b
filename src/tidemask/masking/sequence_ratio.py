"""Ratios per sequence: a distribution around the schedule.

The schedule gives the mean; each sequence draws its own ratio around it. Uniform on (0, 1] with the
loss weight `inverse_ratio` is the objective of masked diffusion.

Dimension: `B` sequences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from tidemask.masking.schedule import Schedule
from tidemask.masking.shares import check_shares, points_of
from tidemask.settings import OneOf, Settings, check_share, members

_TOLERANCE = 1e-9
_MINIMUM_MEAN = 1e-6
"""Of a part; products of shares and smaller means could be 0."""


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


_Single = Same | UniformAround | BetaAround

SingleDistribution = Annotated[_Single, OneOf("distribution")]
"""Distributions that are no mixture."""


@dataclass(frozen=True, kw_only=True)
class RatioPart(Settings):
    """A distribution of a mixture, and how often a sequence draws from it."""

    share: float
    """Chance that a sequence draws its ratio from it, in [0, 1]; those of all parts add up to 1."""
    mean: float = 1.0
    """Its mean relative to that of the other parts, from 1e-6 to 1e6; the schedule sets the mean of
    all."""
    of: SingleDistribution
    """The distribution around that mean."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("share", self.share)
        if not _MINIMUM_MEAN <= self.mean <= 1.0 / _MINIMUM_MEAN:
            raise ValueError(
                f"mean={self.mean:g}. Expected a number from {_MINIMUM_MEAN:g} to "
                f"{1.0 / _MINIMUM_MEAN:g}, as means are relative to each other."
            )


@dataclass(frozen=True, kw_only=True)
class RatioMixture(Settings):
    """Each sequence draws from one of several distributions; their mean follows the schedule.

    With the scheduled ratio `r`, shares `s[i]` and relative means `m[i]`, part `i` has the mean
    `r m[i] / sum(s m)`.

    References:
        Hayes et al., "Simulating 500 million years of evolution with a language model" (ESM3,
        2024), appendix A.2.2: 80 % Beta(3, 9) and 20 % uniform, of the means 0.25 and 0.5.
    """

    distribution: Literal["mixture"] = "mixture"
    parts: tuple[RatioPart, ...]
    """At least one; their shares add up to 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares(self.shares, "parts")

    @property
    def shares(self) -> list[float]:
        """Chance of each part."""
        return [part.share for part in self.parts]

    def means(self, ratio: float) -> list[float]:
        """Mean of each part where the schedule gives `ratio`, at most 1."""
        total = sum(part.share * part.mean for part in self.parts)
        return [min(1.0, ratio * (part.mean / total)) for part in self.parts]

    def check_means(self, schedule: Schedule) -> None:
        """Refuse a schedule under which a part's mean would be above 1.

        Raises:
            ValueError: names the progress and the mean.
        """
        total = sum(part.share * part.mean for part in self.parts)
        steepest = max(part.mean for part in self.parts) / total
        for progress in points_of([schedule]):
            if schedule(progress) * steepest > 1.0 + _TOLERANCE:
                raise ValueError(
                    f"per_sequence: a part has a mean ratio of {schedule(progress) * steepest:g} "
                    f"at progress {progress:g}, where the schedule gives {schedule(progress):g}. "
                    "Expected at most 1: choose a lower ratio, or means that differ less."
                )

    def interval(self, ratio: float) -> tuple[float, float]:
        """From the lowest to the highest end of the parts' intervals, as far as parts have some."""
        means = zip(self.parts, self.means(ratio), strict=True)
        around = [
            (mean, mean) if isinstance(part.of, Same) else part.of.interval(mean)
            for part, mean in means
            if part.share > 0.0
        ]
        return min(low for low, _ in around), max(high for _, high in around)


PerSequence = Annotated[_Single | RatioMixture, OneOf("distribution")]
"""Any distribution of ratios over the sequences of a step."""

DISTRIBUTIONS: dict[str, type[PerSequence]] = members(PerSequence)
"""Distributions by the name that `masking.per_sequence.distribution` gives."""
