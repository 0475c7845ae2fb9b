"""The curves of a measure: held-out losses during training, task scores by checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tidemask.report.results.arms import ComparedArm
from tidemask.report.results.compared_run import ComparedRun, Series
from tidemask.report.results.measures import Measure
from tidemask.report.results.score_rows import run_rows
from tidemask.run_record import (
    FLOPS,
    HELD_OUT,
    PREDICTED_TOKENS,
    TOKENS_SEEN,
    WALL_SECONDS,
)
from tidemask.statistics import MeasuredCurve

AXES = {
    "step": "steps",
    TOKENS_SEEN: "tokens",
    PREDICTED_TOKENS: "predicted tokens",
    FLOPS: "FLOPs",
    WALL_SECONDS: "seconds",
}
"""What can be spent, by metric, and what tables call it."""


def curves_of(
    arms: Sequence[ComparedArm], measure: Measure
) -> Mapping[str, Mapping[int, MeasuredCurve]]:
    """The measure during training, by arm and seed, at the steps that all runs of an arm have.

    Of a held-out loss it is what was measured beside training; of a downstream task the score of
    each checkpoint after the start, the median where it has several seeds of fine-tuning. A run
    that was broken off and went on has a checkpoint more than the others, which is left out.
    Seconds are an axis only where every run had its machine alone. An arm with fewer than two
    common steps has no curves.
    """
    alone = all(run.had_machine_alone for arm in arms for run in arm.runs)
    axes = [name for name in AXES if name != WALL_SECONDS or alone]
    curves: dict[str, Mapping[int, MeasuredCurve]] = {}
    for arm in arms:
        of_arm = [_points(run, measure) for run in arm.runs]
        common = set.intersection(*map(set, of_arm))
        if len(common) >= 2:
            curves[arm.name] = {
                run.seed: _curve(run, {step: by_step[step] for step in sorted(common)}, axes)
                for run, by_step in zip(arm.runs, of_arm, strict=True)
            }
    names = [set(curve.axes) for by_seed in curves.values() for curve in by_seed.values()]
    return curves if all(one == names[0] for one in names) else {}


def _curve(run: ComparedRun, by_step: Mapping[float, float], axes: Sequence[str]) -> MeasuredCurve:
    """The curve of one run through the value at each step."""
    steps = np.array(list(by_step), dtype=np.float64)
    spent = {AXES[axis]: _spent(run, axis, steps) for axis in axes}
    return MeasuredCurve(
        values=np.array(list(by_step.values()), dtype=np.float64),
        axes={axis: numbers for axis, numbers in spent.items() if not np.isnan(numbers).any()},
    )


def _points(run: ComparedRun, measure: Measure) -> dict[float, float]:
    """A measure by step, where it has one; the newest where a step was logged twice."""
    if measure.name.startswith(HELD_OUT):
        values = run.series(measure.name)
        known = ~np.isnan(values)
        return dict(zip(run.steps[known].tolist(), values[known].tolist(), strict=True))
    (row,) = run_rows([run])
    return {step: score.median for step, score in row.curve(measure.name) if step > 0}


def _spent(run: ComparedRun, axis: str, steps: Series) -> Series:
    """What had been spent by some steps, float64 `[T]`; NaN where that step was not logged."""
    if axis == "step":
        return steps
    by_step = dict(zip(run.steps.tolist(), run.series(axis).tolist(), strict=True))
    return np.array([by_step.get(step, np.nan) for step in steps.tolist()])
