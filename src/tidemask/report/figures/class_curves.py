"""Curves of many classes in one panel, and the pooling that makes shares readable.

Seventeen curves are read by group and by name: content words in ink, the other classes in amber,
rare classes thin, every curve with its name at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from tidemask.report.figures.curves import from_zero
from tidemask.report.figures.palette import FUNCTION, INK, Colour
from tidemask.report.results.compared_run import ComparedRun, Series
from tidemask.run_record import PREDICTED_TOKENS
from tidemask.token_classes import CONTENT_UPOS, UPOS

RARE_SHARE = 0.01
"""Share of the corpus below which a class counts as rare."""

MAX_POINTS = 20
"""Points of a share curve: logged windows are pooled up to this number."""

_LABEL_GAP_POINTS = 9.2

Curves = Mapping[str, tuple[Series, Series]]
"""Steps and values by class."""


def draw_classes(axes: Axes, run: ComparedRun, curves: Curves) -> None:
    """Each class as a curve, with its name beside the end; the names never overlap."""
    from_zero(axes, run.max_steps or run.last_step)
    ends: dict[str, tuple[float, float]] = {}
    for name, (steps, values) in curves.items():
        known = ~np.isnan(values)
        if not known.any():
            continue
        rare = 0 < run.corpus_share.get(name, 1.0) < RARE_SHARE
        width = 0.7 if rare else 1.5
        axes.plot(steps[known], values[known], color=group_colour(name).light, linewidth=width)
        ends[name] = (float(steps[known][-1]), float(values[known][-1]))
    _name_ends(axes, ends)


def _name_ends(axes: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    low, high = axes.get_ylim()
    height = axes.get_window_extent().height / axes.figure.dpi * 72
    gap = _LABEL_GAP_POINTS * (high - low) / height
    names = sorted(ends, key=lambda name: ends[name][1])
    places = spread([ends[name][1] for name in names], gap, low + gap / 2, high)
    left, right = axes.get_xlim()
    beside = max((x for x, _ in ends.values()), default=right) + 0.05 * (right - left)
    for name, place in zip(names, places, strict=True):
        x, y = ends[name]
        colour = group_colour(name).light
        axes.plot(
            [x, beside],
            [y, place],
            clip_on=False,
            color=colour,
            linewidth=0.5,
            alpha=0.6,
        )
        axes.text(
            beside + 0.01 * (right - left),
            place,
            name,
            color=colour,
            size=7.5,
            va="center_baseline",
        )


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart, as near as can be to the given ascending values.

    Neighbours that would overlap form a block around the mean of their values (pooling of
    adjacent violators); then all are pushed inside `low` and `high`, the upper end first.
    """
    blocks: list[tuple[float, int]] = []
    for index, value in enumerate(values):
        mean, size = value - index * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    offsets = [mean for mean, size in blocks for _ in range(size)]
    places = [max(offset, low) + index * gap for index, offset in enumerate(offsets)]
    last = len(places) - 1
    return [min(place, high - (last - index) * gap) for index, place in enumerate(places)]


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
