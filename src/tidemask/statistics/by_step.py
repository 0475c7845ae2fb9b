"""How far an arm is from the baseline at each logged step: when a policy leads, and when not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidemask.statistics.estimate import Estimate
from tidemask.statistics.samples import Floats, Samples, t_estimate
from tidemask.statistics.steps_to_match import MeasuredCurve

STEPS = "steps"
"""The axis by which the points of two curves are known to be the same."""


@dataclass(frozen=True, kw_only=True)
class StepDifference:
    """The difference of an arm to the baseline at one step, in the unit of the measure.

    Attributes:
        step: completed optimizer steps.
        mean: of the arm minus that of the baseline, over the compared seeds.
        estimate: mean, t-interval and p, neither adjusted for the number of steps nor for that of
            arms; `None` with one seed, or if all seeds differ equally.
    """

    step: float
    mean: float
    estimate: Estimate | None


def differences_by_step(
    arm: Mapping[int, MeasuredCurve], baseline: Mapping[int, MeasuredCurve]
) -> tuple[StepDifference, ...]:
    """Compares an arm with the baseline at every step at which all their runs were measured.

    Each step is compared as `seed_difference` compares final values, over the same seeds. Between
    steps nothing is interpolated.

    Args:
        arm: curve by seed.
        baseline: the same.

    Returns:
        One for each common step, ascending; none where a curve has no axis `STEPS`.
    """
    curves = [*arm.values(), *baseline.values()]
    if not all(STEPS in curve.axes for curve in curves):
        return ()
    common = set.intersection(*(set(_steps(curve).tolist()) for curve in curves))
    samples = Samples.of(arm, baseline)
    found = []
    for step in sorted(common):
        ours, theirs = samples.values(_at(arm, step), _at(baseline, step))
        mean = float(ours.mean() - theirs.mean())
        estimate = t_estimate(samples, ours, theirs)
        found.append(StepDifference(step=step, mean=mean, estimate=estimate))
    return tuple(found)


def _steps(curve: MeasuredCurve) -> Floats:
    return np.asarray(curve.axes[STEPS], dtype=np.float64)


def _at(curves: Mapping[int, MeasuredCurve], step: float) -> dict[int, float]:
    """The value of each curve at a step; the newest where it was logged twice."""
    return {
        seed: float(np.asarray(curve.values, dtype=np.float64)[_steps(curve) == step][-1])
        for seed, curve in curves.items()
    }
