"""Curves of several runs in one pair of axes: colours, units, ranges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from tidemask.report.figures.chart import LegendEntry
from tidemask.report.figures.palette import run_colour, run_dashes
from tidemask.report.results.compared_run import ComparedRun, Series

_MARKERS_UP_TO = 30
"""Points of a curve up to which each is marked."""

Scale = tuple[str, float]
"""A unit and what a number is divided by to be in it."""


def run_legend(runs: Sequence[ComparedRun]) -> list[LegendEntry]:
    """One entry per run, in its colour, marked where the run is unfinished."""
    return [
        LegendEntry(label=run.legend, colour=run_colour(run.index), dashes=run_dashes(run.index))
        for run in runs
    ]


def draw_curve(
    axes: Axes, run: ComparedRun, x: Series, y: Series, *, marked: bool, gaps: bool = False
) -> None:
    """A run's values in its colour, without those that are NaN.

    Args:
        axes: where to draw.
        run: decides colour and line style.
        x: horizontal values.
        y: vertical values, as many.
        marked: whether single points are to be seen, unless they are many.
        gaps: whether a curve below is to be seen through this one.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    axes.plot(
        x[known],
        y[known],
        color=run_colour(run.index).light,
        linestyle=(0, (4.0, 4.0)) if gaps else run_dashes(run.index),
        linewidth=1.6,
        marker="o" if marked and known.sum() <= _MARKERS_UP_TO else "",
        markersize=3.2,
        markeredgewidth=0,
        dash_capstyle="butt",
    )


def from_zero(axes: Axes, highest: float) -> None:
    """Let the horizontal axis reach from 0 to just behind `highest`."""
    axes.set_xlim(0, highest * 1.02 if highest > 0 else 1)


def highest(runs: Sequence[ComparedRun], *names: str) -> float:
    """The largest value of these metrics in any run; 0 if none was logged."""
    values = np.concatenate([run.series(name) for run in runs for name in names])
    known = values[~np.isnan(values)]
    return float(known.max()) if known.size else 0.0


def any_known(*series: Series) -> bool:
    """Whether any of the values is not NaN."""
    return any(not bool(np.isnan(values).all()) for values in series)


def time_scale(seconds: float) -> Scale:
    """Unit for durations up to `seconds`."""
    if seconds < 180:
        return "seconds", 1.0
    return ("minutes", 60.0) if seconds < 3 * 3600 else ("hours", 3600.0)


def token_scale(tokens: float) -> Scale:
    """Unit for numbers of tokens up to `tokens`."""
    for unit, size in (("billions", 1e9), ("millions", 1e6), ("thousands", 1e3)):
        if tokens >= 2 * size:
            return unit, size
    return "", 1.0


def with_unit(label: str, scale: Scale) -> str:
    """An axis label with the unit of its scale."""
    return f"{label}, {scale[0]}" if scale[0] else label
