"""Steps to match: where an arm first reaches the baseline's final value, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tidemask.errors import UserError
from tidemask.settings import shown
from tidemask.statistics.estimate import CONFIDENCE
from tidemask.statistics.samples import (
    Direction,
    Floats,
    Samples,
    differences,
    has_spread,
    t_test,
)

Place = Mapping[str, float]
"""A point of a curve: its number on each axis, such as `{"steps": 812.5, "tokens": 6.7e6}`."""


@dataclass(frozen=True, kw_only=True)
class MeasuredCurve:
    """A measure of one run over its training.

    Attributes:
        values: at each logged step, floats `[T]`.
        axes: what had been spent by then, floats `[T]` that do not fall, by name: steps, tokens,
            predicted tokens, FLOPs, seconds.
    """

    values: ArrayLike
    axes: Mapping[str, ArrayLike]


@dataclass(frozen=True, kw_only=True)
class MatchInterval:
    """Where the expected curve of an arm reaches the target, at `CONFIDENCE`.

    Attributes:
        low: it has not reached it before; `None` if not before the curve's end.
        high: it has reached it from here on; `None` if that is not sure by the curve's end, so that
            the interval is open.
    """

    low: Place | None
    high: Place | None


@dataclass(frozen=True, kw_only=True)
class StepsToMatch:
    """Where an arm first reaches the final value of the baseline.

    Attributes:
        target: mean final value of the baseline.
        at: where the mean curve of the arm first reaches it; `None` if it does not.
        interval: of that place; `None` with one seed, or if the seeds do not vary.
        by_seed: where each run of the arm first reaches its target, ascending by seed: the final
            value of the same seed of the baseline where they are paired, else `target`.
        budget: where the baseline's mean curve ends, to express `at` as a share.
    """

    target: float
    at: Place | None
    interval: MatchInterval | None
    by_seed: Mapping[int, Place | None]
    budget: Place


def steps_to_match(
    arm: Mapping[int, MeasuredCurve],
    baseline: Mapping[int, MeasuredCurve],
    *,
    direction: Direction,
) -> StepsToMatch:
    """Finds where an arm first reaches the baseline's final value.

    Between two logged steps a curve is a straight line on every axis; the mean curve is that of
    the values and of the axes at each logged step. A curve that is there at its first point reaches
    the target at that point. The interval holds every place where a t-test over seeds does not
    tell the curve from the target, from the first such place to the last, so it needs no
    assumption on the shape of the curve; a run that does not reach the target counts with its
    distance to it.

    Args:
        arm: curve by seed. All have the same logged steps.
        baseline: the same; only its final values count.
        direction: which values are better.

    Raises:
        UserError: a curve does not fit the others, or a number is not finite.

    References:
        Fieller, Some problems in interval estimation, 1954, for intervals by inverting a t-test.
    """
    _check(arm, "arm")
    _check(baseline, "baseline")
    samples = Samples.of(arm, baseline)
    sign = 1.0 if direction == "lower" else -1.0
    ours, theirs = samples.values(
        {seed: np.asarray(curve.values, np.float64) for seed, curve in arm.items()},
        {seed: np.asarray(curve.values, np.float64)[-1:] for seed, curve in baseline.items()},
    )
    gaps = sign * differences(samples, ours, theirs)  # [S, T]; reached from 0 down
    axes = _mean_axes(arm, samples.arm_seeds)
    spent = _mean_axes(baseline, samples.baseline_seeds)
    return StepsToMatch(
        target=float(theirs.mean()),
        at=_place(_first(gaps.mean(0)), axes),
        interval=_interval(samples, sign * ours, sign * theirs, axes),
        by_seed={
            seed: _place(_first(gap), _mean_axes(arm, [seed]))
            for seed, gap in zip(samples.arm_seeds, gaps, strict=True)
        },
        budget={name: float(x[-1]) for name, x in spent.items()},
    )


def _interval(
    samples: Samples, arm: Floats, baseline: Floats, axes: Mapping[str, Floats]
) -> MatchInterval | None:
    """The t-test of each logged step, inverted; `[S, T]` and `[S, 1]`, lower is better."""
    if not any(has_spread(samples, values, baseline[:, 0]) for values in arm.T):
        return None
    targets = np.broadcast_to(baseline, (len(baseline), arm.shape[1]))
    low, high = t_test(samples, arm, targets).confidence_interval(CONFIDENCE)
    return MatchInterval(low=_place(_first(low), axes), high=_place(_last(high), axes))


def _first(gap: Floats) -> float | None:
    """Where a gap `[T]` first is 0 or less, as a fractional index; `None` if nowhere."""
    reached = np.flatnonzero(gap <= 0)
    if not len(reached):
        return None
    after = int(reached[0])
    return _zero(gap, after - 1) if after else 0.0


def _last(gap: Floats) -> float | None:
    """From where a gap `[T]` stays at 0 or less; `None` if it ends above."""
    above = np.flatnonzero(gap > 0)
    if not len(above):
        return 0.0
    before = int(above[-1])
    return None if before == len(gap) - 1 else _zero(gap, before)


def _zero(gap: Floats, before: int) -> float:
    """The fractional index after `before` where the line to the next point is 0."""
    return before + float(gap[before] / (gap[before] - gap[before + 1]))


def _place(index: float | None, axes: Mapping[str, Floats]) -> Place | None:
    if index is None:
        return None
    return {name: float(np.interp(index, np.arange(len(x)), x)) for name, x in axes.items()}


def _mean_axes(curves: Mapping[int, MeasuredCurve], seeds: Sequence[int]) -> dict[str, Floats]:
    names = curves[seeds[0]].axes
    return {
        name: np.array([curves[seed].axes[name] for seed in seeds], dtype=np.float64).mean(0)
        for name in names
    }


def _check(curves: Mapping[int, MeasuredCurve], arm: str) -> None:
    """Refuse curves of an arm that have no mean."""
    first_seed, first = next(iter(curves.items()))
    shape = np.shape(first.values)
    for seed, curve in curves.items():
        where = f"curve of {arm}, seed {seed}"
        for name, numbers in {"values": curve.values, **curve.axes}.items():
            found = np.asarray(numbers, dtype=np.float64)
            if found.ndim != 1 or not found.size or found.shape != shape:
                raise UserError(
                    f"{where}: {name} has the shape {shown(found.shape)}. Expected {shown(shape)} "
                    f"as the values of seed {first_seed}: the same logged steps for each seed."
                )
            if not np.isfinite(found).all():
                raise UserError(f"{where}: a number of {name} is not finite. Leave out that run.")
        if curve.axes.keys() != first.axes.keys() or not curve.axes:
            raise UserError(
                f"{where}: axes={shown([*curve.axes])}. Expected {shown([*first.axes])} as of "
                f"seed {first_seed}, at least one."
            )
