"""Names beside the ends of curves, spread so that they never overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from tidemask.report.figures.palette import Colour

_LABEL_GAP_POINTS = 9.2


@dataclass(frozen=True)
class CurveEnd:
    """The last point of a curve, in data coordinates, and the name that is written beside it."""

    name: str
    x: float
    y: float
    colour: Colour


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
        colour = end.colour.light
        (line,) = axes.plot([end.x, beside], [end.y, place], color=colour, clip_on=False)
        line.set(linewidth=0.5, alpha=0.6)
        x = beside + 0.01 * (right - left)
        axes.text(x, place, end.name, color=colour, size=7.5, va="center_baseline")


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
