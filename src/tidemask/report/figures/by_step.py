"""The difference of each arm to the baseline against the step: when a policy leads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from tidemask.report.figures.chart import Chart, Panel
from tidemask.report.figures.curves import (
    CurveEnd,
    draw_curve,
    from_zero,
    name_ends,
    run_legend,
    short_name,
)
from tidemask.report.figures.findings import ranked
from tidemask.report.figures.marking import mark
from tidemask.report.figures.palette import GRID, INK, run_colour
from tidemask.report.results.answers import Answer
from tidemask.report.results.compared_run import ComparedRun
from tidemask.statistics import ArmComparison

_CAPTION = (
    "The line at 0 is the baseline at the same step. A band is the 95 % interval over seeds of one "
    "step by itself, not adjusted for the number of steps or arms; an arm without a band has too "
    "few seeds for one. Schedules of ratio and learning rate are on their way before the last "
    "step: what leads there need not lead in a run of that length."
)


def by_step_chart(answers: Sequence[Answer]) -> Chart | None:
    """A panel for each corpus; `None` where no arm was measured while it was trained."""
    measured = [answer for answer in answers if answer.by_step]
    if not measured:
        return None
    drawn = {
        arm.name: arm.mean
        for answer in measured
        for arm in answer.arms
        if arm.name in {one.arm for one in answer.by_step}
    }
    return Chart(
        name="difference_by_step",
        title="Difference to the baseline, step by step",
        caption=_CAPTION,
        panels=[_panel(answer) for answer in measured],
        legend=run_legend(list(drawn.values())),
        columns=1,
        size=(4.3, 2.9),
        right=1.15,
    )


def _panel(answer: Answer) -> Panel:
    measure = answer.measure
    return Panel(
        title=f"{measure.title}, less that of {answer.baseline}",
        x_label="step",
        y_label=f"{measure.unit}; {measure.direction} is better",
        draw=partial(_draw, answer),
        alternative=_in_words(answer),
    )


def _in_words(answer: Answer) -> str:
    """The arms by their difference at the first and at the last step."""
    found = answer.by_step
    first = min(one.by_step[0].step for one in found)
    last = max(one.by_step[-1].step for one in found)
    at = {
        step: {one.arm: each.mean for one in found for each in one.by_step if each.step == step}
        for step in (first, last)
    }
    words = [f"at step {step:,.0f} {ranked(means, digits=3)}" for step, means in at.items()]
    return f"Difference to {answer.baseline}: {'; '.join(words)}."


def _draw(answer: Answer, axes: Axes) -> None:
    assert answer.found is not None
    if (margin := answer.found.rules.margin) is not None:
        axes.axhspan(-margin, margin, color=GRID.light, linewidth=0, zorder=0)
    axes.axhline(0.0, color=INK.light, linewidth=1.0, zorder=1)
    runs = {arm.name: arm.mean for arm in answer.arms}
    ends = [_draw_arm(axes, one, runs[one.arm]) for one in answer.by_step]
    axes.margins(y=0.08)
    from_zero(axes, max(end.x for end in ends))
    name_ends(axes, ends)


def _draw_arm(axes: Axes, one: ArmComparison, run: ComparedRun) -> CurveEnd:
    """The curve of an arm and its band; returns where its name goes."""
    colour = run_colour(run.index)
    steps = np.array([at.step for at in one.by_step])
    means = np.array([at.mean for at in one.by_step])
    sure = [at for at in one.by_step if at.estimate is not None]
    if len(sure) > 1:
        band = axes.fill_between(
            [at.step for at in sure],
            [at.estimate.low for at in sure if at.estimate],
            [at.estimate.high for at in sure if at.estimate],
            color=colour.light,
            alpha=0.16,
            linewidth=0,
        )
        mark(band, "band", arm=run.index)
    draw_curve(axes, run, steps, means, marked=True)
    return CurveEnd(short_name(one.arm), float(steps[-1]), float(means[-1]), colour, run.index)
