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
    """The measure during training, by arm and seed, of arms whose runs all have the same steps.

    Of a held-out loss it is what was measured beside training; of a downstream task the score of
    each checkpoint after the start, the median where it has several seeds of fine-tuning. Seconds
    are an axis only where every run had its machine alone.
    """
    alone = all(run.had_machine_alone for arm in arms for run in arm.runs)
    axes = [name for name in AXES if name != WALL_SECONDS or alone]
    curves: dict[str, Mapping[int, MeasuredCurve]] = {}
    for arm in arms:
        of_arm = {run.seed: _curve(run, measure, axes) for run in arm.runs}
        known = {seed: curve for seed, curve in of_arm.items() if curve is not None}
        steps = {tuple(np.asarray(curve.axes["steps"]).tolist()) for curve in known.values()}
        if len(known) == len(of_arm) and len(steps) == 1:
            curves[arm.name] = known
    names = [set(curve.axes) for by_seed in curves.values() for curve in by_seed.values()]
    return curves if all(one == names[0] for one in names) else {}


def _curve(run: ComparedRun, measure: Measure, axes: Sequence[str]) -> MeasuredCurve | None:
    """The curve of one run; `None` with fewer than two points."""
    steps, values = _points(run, measure)
    if len(values) < 2:
        return None
    spent = {AXES[axis]: _spent(run, axis, steps) for axis in axes}
    return MeasuredCurve(
        values=values,
        axes={axis: numbers for axis, numbers in spent.items() if not np.isnan(numbers).any()},
    )


def _points(run: ComparedRun, measure: Measure) -> tuple[Series, Series]:
    """Steps and values of a measure where it has one, each float64 `[T]`."""
    if measure.name.startswith(HELD_OUT):
        values = run.series(measure.name)
        known = ~np.isnan(values)
        return run.steps[known], values[known]
    (row,) = run_rows([run])
    scored = [(step, score.median) for step, score in row.curve(measure.name) if step > 0]
    steps, values = np.array(scored, dtype=np.float64).reshape(-1, 2).T
    return steps, values


def _spent(run: ComparedRun, axis: str, steps: Series) -> Series:
    """What had been spent by some steps, float64 `[T]`; NaN where that step was not logged."""
    if axis == "step":
        return steps
    by_step = dict(zip(run.steps.tolist(), run.series(axis).tolist(), strict=True))
    return np.array([by_step.get(step, np.nan) for step in steps.tolist()])
