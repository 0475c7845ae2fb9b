"""Curves of many classes in one panel, and the pooling that makes shares readable.

Seventeen curves are read by group and by name: content words in ink, the other classes in amber,
rare classes thin, every curve with its name at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from tidemask.report.figures.curve_ends import CurveEnd, name_ends
from tidemask.report.figures.curves import from_zero
from tidemask.report.figures.palette import FUNCTION, INK, Colour
from tidemask.report.results.compared_run import ComparedRun, Series
from tidemask.run_record import PREDICTED_TOKENS
from tidemask.token_classes import CONTENT_UPOS, UPOS

RARE_SHARE = 0.01
"""Share of the corpus below which a class counts as rare."""

MAX_POINTS = 20
"""Points of a share curve: logged windows are pooled up to this number."""

Curves = Mapping[str, tuple[Series, Series]]
"""Steps and values by class."""


def draw_classes(axes: Axes, run: ComparedRun, curves: Curves, top: float) -> None:
    """Each class as a curve, from 0 to `top`, with its name beside the end."""
    axes.set_ylim(0, top)
    from_zero(axes, run.max_steps or run.last_step)
    ends = []
    for name, (steps, values) in curves.items():
        known = ~np.isnan(values)
        if not known.any():
            continue
        rare = 0 < run.corpus_share.get(name, 1.0) < RARE_SHARE
        width = 0.7 if rare else 1.5
        colour, x, y = group_colour(name), steps[known], values[known]
        axes.plot(x, y, color=colour.light, linewidth=width)
        ends.append(CurveEnd(name, float(x[-1]), float(y[-1]), colour))
    name_ends(axes, ends)


def pooled(run: ComparedRun, names: Sequence[str]) -> tuple[Series, Series]:
    """Means of share metrics over at most `MAX_POINTS` groups of neighbouring windows.

    A window counts by the tokens that were masked in it; where those were not logged, by its
    steps. Returns the last step of each group, and an array of metrics by groups.
    """
    weights = np.diff(run.series(PREDICTED_TOKENS), prepend=0.0)
    weights = run.window_steps if np.isnan(weights).any() else weights
    groups = np.array_split(np.arange(len(run.steps)), min(MAX_POINTS, len(run.steps)))
    steps = np.array([run.steps[group[-1]] for group in groups])
    table = np.array([run.series(name) for name in names]).reshape(len(names), len(run.steps))
    means = [_weighted_mean(table[:, group], weights[group]) for group in groups]
    return steps, np.stack(means, axis=1)


def _weighted_mean(table: Series, weights: Series) -> Series:
    """Mean of each row over its columns that are not NaN; NaN where none is left."""
    counted = np.where(np.isnan(table), 0.0, weights)
    totals = counted.sum(axis=1)
    sums = (np.nan_to_num(table) * counted).sum(axis=1)
    means = np.full(len(table), np.nan)
    np.divide(sums, totals, out=means, where=totals > 0)
    return means


def group_colour(name: str) -> Colour:
    """Ink for content words and for classes that are no parts of speech, amber for others."""
    return FUNCTION if name in UPOS and name not in CONTENT_UPOS else INK
