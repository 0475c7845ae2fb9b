"""Learning curves of downstream tasks: score against pre-training step, with its spread.

There is a curve where a run was measured at two checkpoints or more; a single one is in the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from tidemask.report.figures.chart import Chart, LegendEntry, Panel
from tidemask.report.figures.curves import (
    REFERENCE_DASHES,
    draw_curve,
    draw_reference,
    from_zero,
    run_legend,
)
from tidemask.report.figures.findings import ranked
from tidemask.report.figures.marking import mark
from tidemask.report.figures.palette import INK, run_colour
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.downstream import ScoreSummary, metric_label
from tidemask.report.results.score_rows import ScoreRow, random_weights_rows, run_rows, tasks_of

_CAPTION = (
    "Median over the seeds of pre-training and of fine-tuning, the band from the lowest to the "
    "highest score; tasks without fine-tuning have one score for each run. The dashed line is the "
    "median of random weights that were fine-tuned in the same way: the distance to it is what "
    "pre-training bought. The scales do not begin at zero, and each task has its own. Another seed "
    "of pre-training gives another curve: where an arm has one alone, the band does not show that."
)


def downstream_charts(runs: Sequence[ComparedRun]) -> list[Chart]:
    """One chart with a panel for each task that has a curve; none if no task has."""
    tasks = _tasks_with_curves(run_rows(runs))
    title = "Downstream scores against pre-training steps"
    return [_chart(runs, tasks, name="downstream", title=title)] if tasks else []


def task_charts(runs: Sequence[ComparedRun]) -> list[Chart]:
    """The same panels as charts of their own, for files."""
    return [
        _chart(
            runs,
            [task],
            name="downstream_" + re.sub(r"[^\w.-]+", "_", task),
            title=f"{task} against pre-training steps",
            size=(4.6, 3.4),
        )
        for task in _tasks_with_curves(run_rows(runs))
    ]


def _tasks_with_curves(rows: Sequence[ScoreRow]) -> list[str]:
    return [task for task in tasks_of(rows) if any(len(row.curve(task)) > 1 for row in rows)]


def _chart(runs: Sequence[ComparedRun], tasks: Sequence[str], **of_chart: Any) -> Chart:
    rows, random = run_rows(runs), random_weights_rows(runs)
    return Chart(
        caption=_CAPTION,
        panels=[_panel(rows, random, task) for task in tasks],
        legend=_legend(rows, random, tasks),
        notes=_notes(rows, tasks),
        **of_chart,
    )


def _legend(
    rows: Sequence[ScoreRow], random: Sequence[ScoreRow], tasks: Sequence[str]
) -> list[LegendEntry]:
    drawn = [row.run for row in rows if row.run and any(row.curve(task) for task in tasks)]
    entries = run_legend(drawn)
    if any(row.score(task) for row in random for task in tasks):
        entries.append(
            LegendEntry(label="random weights", colour=INK, dashes=REFERENCE_DASHES, width=1.0)
        )
    return entries


def _notes(rows: Sequence[ScoreRow], tasks: Sequence[str]) -> list[str]:
    missing = {row.label: [task for task in tasks if not row.curve(task)] for row in rows}
    return [
        f"{label}: not measured on {', '.join(names)}." for label, names in missing.items() if names
    ]


def _panel(rows: Sequence[ScoreRow], random: Sequence[ScoreRow], task: str) -> Panel:
    metric = next(summary.metric for row in rows for _, summary in row.curve(task))
    # Random weights have a perplexity of thousands, and would leave the curves no room.
    is_log = "perplexity" in metric
    return Panel(
        title=task,
        x_label="pre-training step",
        y_label=f"{metric_label(metric)}, logarithmic" if is_log else metric_label(metric),
        draw=partial(_draw, rows, random, task, is_log),
        alternative=_in_words(rows, random, task, metric_label(metric)),
    )


def _in_words(rows: Sequence[ScoreRow], random: Sequence[ScoreRow], task: str, label: str) -> str:
    """The last median of each run, and the medians of random weights."""
    ends = {row.label: row.curve(task)[-1][1].median for row in rows if row.curve(task)}
    alone = [f"{score.median:.2f}" for row in random if (score := row.score(task)) is not None]
    beside = f"; random weights {' and '.join(alone)}" if alone else ""
    return f"{task}, {label}, at the last checkpoint, {ranked(ends, digits=2)}{beside}."


def _draw(
    rows: Sequence[ScoreRow], random: Sequence[ScoreRow], task: str, is_log: bool, axes: Axes
) -> None:
    if is_log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    for row in rows:
        if row.run is not None and row.curve(task):
            _draw_row(axes, row.run, row.curve(task))
    for row in random:
        if (score := row.score(task)) is not None:
            draw_reference(axes, score.median, row.label if len(random) > 1 else "")
    axes.margins(y=0.08)
    from_zero(axes, max(row.run.last_step for row in rows if row.run and tasks_of([row])))


def _draw_row(axes: Axes, run: ComparedRun, curve: Sequence[tuple[int, ScoreSummary]]) -> None:
    steps = np.array([float(step) for step, _ in curve])
    medians = np.array([summary.median for _, summary in curve])
    # A single score has no limits but itself.
    low = [score.median if score.low is None else score.low for _, score in curve]
    high = [score.median if score.high is None else score.high for _, score in curve]
    colour = run_colour(run.index).light
    if len(curve) > 1:
        band = axes.fill_between(steps, low, high, color=colour, alpha=0.14, linewidth=0)
        mark(band, "band", arm=run.index)
    else:
        mark(axes.vlines(steps, low, high, color=colour, linewidth=1.2), "band", arm=run.index)
    draw_curve(axes, run, steps, medians, marked=True)
