"""Ratio schedules: pure functions from progress to masking ratio.

A schedule is its own settings: a frozen dataclass that is called with the completed share of the
planned optimizer steps and returns the share of maskable tokens to select. It knows neither the
step nor the number of steps. Every published curve of the field is one of these with suitable
numbers; the recipes name them. `ratio_bandit.py` has the one that follows measurements instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Annotated, Literal

from tidemask.masking.ratio_bandit import Bandit
from tidemask.masking.schedule_base import ScheduleBase
from tidemask.settings import OneOf, Settings, check_at_least, check_share, members


@dataclass(frozen=True, kw_only=True)
class Constant(ScheduleBase):
    """The same ratio from the first step to the last; BERT's baseline is 0.15."""

    schedule: Literal["constant"] = "constant"
    ratio: float = 0.15
    """Share of maskable tokens, in [0, 1]."""

    def _at(self, s: float) -> float:  # noqa: ARG002
        return self.ratio


@dataclass(frozen=True, kw_only=True)
class Linear(ScheduleBase):
    """A straight line; MRD linear (Yang et al. 2023) is 2p to 0."""

    schedule: Literal["linear"] = "linear"
    start: float = 0.3
    """Ratio at progress 0, in [0, 1]."""
    end: float = 0.0
    """Ratio at progress 1, in [0, 1]."""

    def _at(self, s: float) -> float:
        return _between(self.start, self.end, s)


@dataclass(frozen=True, kw_only=True)
class Cosine(ScheduleBase):
    """Half a cosine wave; MRD cosine, `p (1 + cos(pi s)) + 0.02`, is 0.32 to 0.02 for p = 0.15."""

    schedule: Literal["cosine"] = "cosine"
    start: float = 0.32
    """Ratio at progress 0, in [0, 1]."""
    end: float = 0.02
    """Ratio at progress 1, in [0, 1]."""

    def _at(self, s: float) -> float:
        return _between(self.end, self.start, (1.0 + math.cos(math.pi * s)) / 2.0)


@dataclass(frozen=True, kw_only=True)
class Quadratic(ScheduleBase):
    """A parabola that falls late (concave) or early (convex)."""

    schedule: Literal["quadratic"] = "quadratic"
    start: float = 0.31
    """Ratio at progress 0, in [0, 1]."""
    end: float = 0.01
    """Ratio at progress 1, in [0, 1]."""
    shape: Literal["concave", "convex"] = "concave"
    """`concave`: weight of the start is `1 - s^2`; `convex`: it is `(1 - s)^2`."""

    def _at(self, s: float) -> float:
        weight = 1.0 - s * s if self.shape == "concave" else (1.0 - s) ** 2
        return _between(self.end, self.start, weight)


@dataclass(frozen=True, kw_only=True)
class Triangle(ScheduleBase):
    """Straight to `middle` at half the run, then to `end`; a valley if `middle` is the lowest."""

    schedule: Literal["triangle"] = "triangle"
    start: float = 0.0
    """Ratio at progress 0, in [0, 1]."""
    middle: float = 0.3
    """Ratio at progress 1/2, in [0, 1]."""
    end: float = 0.0
    """Ratio at progress 1, in [0, 1]."""

    def _at(self, s: float) -> float:
        """Linear interpolation through the three ratios."""
        if s < 0.5:
            return _between(self.start, self.middle, 2.0 * s)
        return _between(self.middle, self.end, 2.0 * s - 1.0)


@dataclass(frozen=True, kw_only=True)
class WarmupLinear(ScheduleBase):
    """Rises from `start` to `peak` during a warm-up, then falls straight to `end`."""

    schedule: Literal["warmup_linear"] = "warmup_linear"
    start: float = 0.0
    """Ratio at progress 0, in [0, 1]."""
    peak: float = 0.3
    """Ratio at the end of the warm-up, in [0, 1]."""
    end: float = 0.0
    """Ratio at progress 1, in [0, 1]."""
    warmup: float = 0.08
    """Share of the run that the warm-up takes, in (0, 1)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.warmup < 1.0:
            raise ValueError(
                f"warmup={self.warmup:g}. Expected a share of the run between 0 and 1: what it "
                "leaves is the decay."
            )

    def _at(self, s: float) -> float:
        """Linear interpolation through `start` at 0, `peak` at `warmup`, `end` at 1."""
        if s < self.warmup:
            return _between(self.start, self.peak, s / self.warmup)
        return _between(self.peak, self.end, (s - self.warmup) / (1.0 - self.warmup))


_Smooth = Constant | Linear | Cosine | Quadratic | Triangle | WarmupLinear

PhaseSchedule = Annotated[_Smooth, OneOf("schedule")]
"""Curves of which phases are made."""


@dataclass(frozen=True, kw_only=True)
class Phase(Settings):
    """A stretch of the run: a ratio that holds, or a curve of its own."""

    until: float
    """Progress at which the phase ends, itself not included, in (0, 1]; the last is 1."""
    ratio: float | PhaseSchedule
    """Share of maskable tokens, in [0, 1]; or a schedule over the progress within the phase."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("until", self.until)
        if isinstance(self.ratio, int | float):
            check_share("ratio", self.ratio)


def check_ends(ends: Sequence[float]) -> None:
    """Refuse ends of phases that do not fill a run one after the other.

    Args:
        ends: as shares of the run.

    Raises:
        ValueError: they do not ascend from above 0 to 1.
    """
    expected = "Expected ascending ends above 0, the last 1"
    if not ends or not all(a < b for a, b in pairwise([0.0, *ends])):
        raise ValueError(f"phases end at {[*ends]}. {expected}.")
    if ends[-1] != 1.0:
        raise ValueError(
            f"phases end at {[*ends]}. {expected}: nothing holds after {ends[-1]:g} of the run."
        )


@dataclass(frozen=True, kw_only=True)
class Phases(ScheduleBase):
    """Stretches one after the other: hold, warm up, decay, in any order."""

    schedule: Literal["phases"] = "phases"
    phases: tuple[Phase, ...] = (Phase(until=0.5, ratio=0.3), Phase(until=1.0, ratio=0.15))
    """At least one; their ends ascend and the last end is 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ends([phase.until for phase in self.phases])

    def _at(self, s: float) -> float:
        """Ratio of the phase in which the progress falls; at 1, the end of the last."""
        begun = 0.0
        for phase in self.phases[:-1]:
            if s < phase.until:
                return ratio_at(phase.ratio, (s - begun) / (phase.until - begun))
            begun = phase.until
        return ratio_at(self.phases[-1].ratio, (s - begun) / (1.0 - begun))


@dataclass(frozen=True, kw_only=True)
class Cyclic(ScheduleBase):
    """Falls from `start` to `end` in every cycle and is reset at the beginning of the next."""

    schedule: Literal["cyclic"] = "cyclic"
    start: float = 0.3
    """Ratio at the beginning of each cycle, in [0, 1]."""
    end: float = 0.1
    """Ratio towards which each cycle falls, in [0, 1]."""
    cycles: int = 4
    """Number of cycles in the run, at least 1."""
    shape: Literal["linear", "cosine"] = "linear"
    """Curve within a cycle."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("cycles", self.cycles, 1)

    def _at(self, s: float) -> float:
        """The curve at the completed share of the current cycle; at progress 1, `end`."""
        cycle = s * self.cycles
        begun = math.floor(cycle + 1e-9)  # k / n * n may round to just below k
        within = 1.0 if s == 1.0 else max(0.0, cycle - begun)
        weight = within if self.shape == "linear" else (1.0 - math.cos(math.pi * within)) / 2.0
        return _between(self.start, self.end, weight)


Curve = Annotated[_Smooth | Phases | Cyclic, OneOf("schedule")]
"""Schedules that do not refer to another one."""


@dataclass(frozen=True, kw_only=True)
class MeanOf(ScheduleBase):
    """Constant at the mean of another schedule: the control that predicts as many tokens."""

    schedule: Literal["mean_of"] = "mean_of"
    of: Curve
    """The schedule whose mean over progress is taken."""

    def _at(self, s: float) -> float:  # noqa: ARG002
        return mean_ratio(self.of)


Schedule = Annotated[_Smooth | Phases | Cyclic | MeanOf, OneOf("schedule")]
"""Any schedule that is a function of progress alone."""

RatioSchedule = Annotated[_Smooth | Phases | Cyclic | MeanOf | Bandit, OneOf("schedule")]
"""What the masking ratio may follow: a schedule, or what the run measures."""

SCHEDULES: dict[str, type[RatioSchedule]] = members(RatioSchedule)
"""Schedules by the name that `masking.ratio.schedule` gives."""

_MEAN_POINTS = 10_000


def ratio_at(ratio: float | Schedule, progress: float) -> float:
    """A number as it is, or the ratio of a schedule at `progress` in [0, 1]."""
    return ratio if isinstance(ratio, int | float) else ratio(progress)


@cache
def mean_ratio(schedule: RatioSchedule) -> float:
    """Mean ratio over a run, by the midpoint rule at 10,000 points.

    The error is below 1e-8 for the smooth curves and below 1e-4 per jump for the others, which
    vanishes for jumps at multiples of 1e-4.
    """
    if isinstance(schedule, MeanOf):
        return mean_ratio(schedule.of)
    return math.fsum(schedule((i + 0.5) / _MEAN_POINTS) for i in range(_MEAN_POINTS)) / _MEAN_POINTS


def _between(start: float, end: float, weight: float) -> float:
    return start + (end - start) * weight
