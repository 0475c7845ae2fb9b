"""Curves in one pair of axes: colours, bands, units, ranges, reference lines, names at the ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from tidemask.report.figures.chart import LegendEntry
from tidemask.report.figures.marking import mark
from tidemask.report.figures.palette import INK, MUTED, Colour, run_colour, run_dashes, run_marker
from tidemask.report.results.arms import ComparedArm
from tidemask.report.results.compared_run import ComparedRun, Series
from tidemask.run_record import FLOPS, WALL_SECONDS
from tidemask.statistics import CONFIDENCE

REFERENCE_DASHES = (0, (3.5, 2.5))

_MAX_MARKERS = 12
"""Marks on a curve: each point has one up to this number, and every n-th where there are more."""

_MIN_SEEDS_FOR_INTERVAL = 5
"""Seeds from which on a band is an interval; of fewer it shows where they lie."""

BANDS = (
    f"Where an arm has several seeds the curve is their mean; the band is the 95 % t-interval of "
    f"the mean from {_MIN_SEEDS_FOR_INTERVAL} seeds on, and reaches from the lowest to the highest "
    "seed with fewer."
)
"""What captions say of bands."""

_LONGEST_NAME = 20

_LABEL_GAP_POINTS = 9.2

Scale = tuple[str, float]
"""A unit and what a number is divided by to be in it."""


def run_legend(runs: Sequence[ComparedRun]) -> list[LegendEntry]:
    """One entry per run, in its colour, marked where the run is unfinished."""
    return [
        LegendEntry(
            label=run.legend,
            colour=run_colour(run.index),
            dashes=run_dashes(run.index),
            marker=run_marker(run.index),
            arm=run.index,
        )
        for run in runs
    ]


def draw_curve(axes: Axes, run: ComparedRun, x: Series, y: Series, *, marked: bool) -> None:
    """A run's values in its colour, without those that are NaN.

    Args:
        axes: where to draw.
        run: decides colour and line style.
        x: horizontal values.
        y: vertical values, as many.
        marked: whether points are marked: each, or some where there are many.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    (curve,) = axes.plot(
        x[known],
        y[known],
        color=run_colour(run.index).light,
        linestyle=run_dashes(run.index),
        linewidth=1.6,
        marker=run_marker(run.index) if marked else "",
        markevery=-(-int(known.sum()) // _MAX_MARKERS) or 1,
        markersize=3.6,
        markeredgewidth=0,
        dash_capstyle="butt",
    )
    mark(curve, "curve", arm=run.index, words=run.label)


def draw_arm(
    axes: Axes, arm: ComparedArm, across: str, name: str, divisor: float = 1.0
) -> CurveEnd | None:
    """An arm's mean of a metric against that of another, with its band; `None` if it has neither.

    Args:
        axes: where to draw.
        arm: decides colour, line style and mark.
        across: metric on the horizontal axis.
        name: metric on the vertical axis.
        divisor: of the horizontal values.
    """
    x, y = arm.mean.series(across) / divisor, arm.mean.series(name)
    known = ~(np.isnan(x) | np.isnan(y))
    if not known.any():
        return None
    if len(arm.drawn) > 1:
        low, high = band_of(arm.series(name)[:, known])
        colour = run_colour(arm.index).light
        band = axes.fill_between(x[known], low, high, color=colour, alpha=0.16, linewidth=0)
        mark(band, "band", arm=arm.index)
    draw_curve(axes, arm.mean, x, y, marked=True)
    end = float(x[known][-1]), float(y[known][-1])
    return CurveEnd(short_name(arm.name), *end, run_colour(arm.index), arm.index)


def band_of(values: Series) -> tuple[Series, Series]:
    """Lower and upper edge of the band of several seeds, each [T]; float64 [S, T]."""
    if len(values) < _MIN_SEEDS_FOR_INTERVAL:
        return values.min(0), values.max(0)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values, axis=0)
    return values.mean(0) - half, values.mean(0) + half


def draw_reference(axes: Axes, height: float, text: str = "") -> None:
    """A dashed line to compare curves with, and a text above its right end."""
    axes.axhline(height, color=INK.light, linewidth=1.0, linestyle=REFERENCE_DASHES)
    text_above(axes, height, text)


def text_above(
    axes: Axes, height: float, text: str, *, at_left: bool = False, points: int = 3
) -> None:
    """A text above the left end of a horizontal line, or its right one in ink."""
    axes.annotate(
        text,
        (0.0 if at_left else 1.0, height),
        xytext=(0, points),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        ha="left" if at_left else "right",
        size=8,
        color=(MUTED if at_left else INK).light,
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


def scale_of(runs: Sequence[ComparedRun], name: str) -> Scale:
    """The unit in which the values of a metric, a duration or a count, have few digits."""
    top = highest(runs, name)
    if name == WALL_SECONDS:
        units = (("hours", 3600.0, 3.0), ("minutes", 60.0, 3.0), ("seconds", 1.0, 0.0))
    elif name == FLOPS:
        units = (("EFLOPs", 1e18, 2.0), ("PFLOPs", 1e15, 2.0), ("TFLOPs", 1e12, 2.0))
    else:
        units = (("billions", 1e9, 2.0), ("millions", 1e6, 2.0), ("thousands", 1e3, 2.0))
    return next(((unit, size) for unit, size, minimum in units if top >= minimum * size), ("", 1.0))


def with_unit(label: str, scale: Scale) -> str:
    """An axis label with the unit of its scale."""
    return f"{label}, {scale[0]}" if scale[0] else label


@dataclass(frozen=True)
class CurveEnd:
    """The last point of a curve, in data coordinates, and the name that is written beside it.

    `arm` is the place of the arm whose curve it is, if it is one's.
    """

    name: str
    x: float
    y: float
    colour: Colour
    arm: int | None = None


def name_ends(axes: Axes, ends: Sequence[CurveEnd]) -> None:
    """Write the names to the right of the axes, each joined to its curve by a thin line."""
    low, high = axes.get_ylim()
    height_points = axes.get_window_extent().height / axes.figure.dpi * 72
    gap = _LABEL_GAP_POINTS * (high - low) / height_points
    ends = sorted(ends, key=lambda end: end.y)
    places = spread([end.y for end in ends], gap, low + gap / 2, high)
    left, right = axes.get_xlim()
    beside = max((end.x for end in ends), default=right) + 0.05 * (right - left)
    for end, place in zip(ends, places, strict=True):
        (line,) = axes.plot([end.x, beside], [end.y, place], color=MUTED.light, clip_on=False)
        line.set(linewidth=0.5, alpha=0.6)
        mark(line, "leader", arm=end.arm)
        x = beside + 0.01 * (right - left)
        text = axes.text(x, place, end.name, color=end.colour.light, size=7.5)
        text.set_verticalalignment("center_baseline")
        mark(text, "name", arm=end.arm)


def short_name(name: str) -> str:
    """A name as it has room beside a curve; the legend has the whole."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


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
