"""One figure of the ratio curves of many recipes, in families, each curve with its names.

It draws points and knows no schedule: whoever calls it says what a curve's functions are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tidemask.atomic import write_atomically
from tidemask.errors import UserError
from tidemask.report.figures.chart import Chart, LegendEntry, Panel
from tidemask.report.figures.class_curves import spread
from tidemask.report.figures.palette import INK, MUTED, Colour, run_colour
from tidemask.report.figures.rendering import to_png, to_svg

SUFFIXES = (".png", ".svg")
"""Endings of the files that can be written."""

_INTERVALS = 1000
_EQUAL_UP_TO = 1e-9
_JUMP = 0.05
"""Part of its whole range that a curve falls by from one point to the next, if it jumps there."""

_LABEL_ROOM = 2.25
_LABEL_LETTERS = 34
_LABEL_GAP_POINTS = 9.6
_DASHES = (0, (3.2, 2.2))

Values = tuple[float, ...]
Function = Callable[[float], float]


@dataclass(frozen=True, kw_only=True)
class RatioCurve:
    """The masking ratio of one recipe over its run.

    Attributes:
        name: of the recipe.
        progress: ascending shares of the run, in [0, 1].
        ratio: share of the maskable tokens that is corrupted at each progress, in [0, 1].
        band: lower and upper end of the ratios of a step's sequences, if they differ.
        predicted: share of the maskable tokens that is predicted, if it is another.
    """

    name: str
    progress: Values
    ratio: Values
    band: tuple[Values, Values] | None = None
    predicted: Values | None = None

    @classmethod
    def of(
        cls,
        name: str,
        ratio: Function,
        *,
        band: Callable[[float], tuple[float, float]] | None = None,
        prediction: Function | None = None,
    ) -> RatioCurve:
        """The curve of some functions, at 1,001 points.

        Args:
            name: of the recipe.
            ratio: from progress to ratio.
            band: from a ratio to the ends of the interval that it is the middle of.
            prediction: from progress to the share that is predicted; at most the ratio counts.
        """
        progress = tuple(i / _INTERVALS for i in range(_INTERVALS + 1))
        ratios = tuple(ratio(s) for s in progress)
        ends = [band(r) for r in ratios] if band else []
        return cls(
            name=name,
            progress=progress,
            ratio=ratios,
            band=(tuple(low for low, _ in ends), tuple(high for _, high in ends)) if ends else None,
            predicted=tuple(min(r, prediction(s)) for r, s in zip(ratios, progress, strict=True))
            if prediction
            else None,
        )


def check_figure_path(path: Path) -> None:
    """Refuse a figure that cannot be written, before it is drawn.

    Raises:
        UserError: the name ends neither in .png nor in .svg.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"unknown kind of figure: {path}. Expected a name that ends in {' or '.join(SUFFIXES)}."
        )


def write_ratio_curves(curves: Sequence[RatioCurve], path: Path) -> None:
    """Draw the curves into a file, which is whole or left as it was.

    Args:
        curves: at least one.
        path: ends in .png or .svg; its directory is made if it is missing.

    Raises:
        UserError: another ending, or a place that cannot be written to.
    """
    check_figure_path(path)
    chart = ratio_curves_chart(curves)
    content = to_png(chart) if path.suffix.lower() == ".png" else to_svg(chart).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"figure not written: {path}: {error.strerror}.") from error
    write_atomically(path, content, what="figure")


def ratio_curves_chart(curves: Sequence[RatioCurve]) -> Chart:
    """All curves in one chart, one panel per family; equal curves are drawn once."""
    families = {name: [c for c in curves if family_of(c) == name] for name in FAMILIES}
    shared = 1.05 * _highest(curve for curve in curves if not curve.band)
    return Chart(
        name="ratio_curves",
        title="Masking ratio over the run",
        caption="Share of the maskable tokens that is corrupted, by the completed share of a run.",
        panels=[_panel(name, members, shared) for name, members in families.items() if members],
        legend=_legend(curves),
        columns=2,
        size=(5.7, 2.75),
        right=_LABEL_ROOM,
    )


def _panel(family: str, curves: Sequence[RatioCurve], shared: float) -> Panel:
    """One family, up to the height that all share, or higher where it has to be."""
    top = max(shared, 1.05 * _highest(curves))
    return Panel(
        title=family,
        x_label="progress s",
        y_label="masking ratio, on another scale" if top > shared > 0 else "masking ratio",
        draw=partial(_draw_family, curves, top),
    )


CONSTANT = "Constant"
FALLING = "Falling"
IN_STEPS = "Falling in steps"
IN_CYCLES = "Falling in cycles"
RISING = "Rising, or rising in part"
PER_SEQUENCE = "Another ratio for each sequence"

FAMILIES = (CONSTANT, FALLING, IN_STEPS, IN_CYCLES, RISING, PER_SEQUENCE)
"""Titles of the panels, in their order."""


def family_of(curve: RatioCurve) -> str:
    """The panel of a curve, by its shape."""
    if curve.band:
        return PER_SEQUENCE
    change = np.diff(curve.ratio)
    rises = change > _EQUAL_UP_TO
    if not rises.any():
        range_ = max(curve.ratio) - min(curve.ratio)
        if range_ <= _EQUAL_UP_TO:
            return CONSTANT
        return IN_STEPS if (-change > _JUMP * range_).any() else FALLING
    rises_on = (rises[1:] & rises[:-1]).any()
    return RISING if rises_on or not (change < 0).any() else IN_CYCLES


def _highest(curves: Iterable[RatioCurve]) -> float:
    return max((max(curve.band[1] if curve.band else curve.ratio) for curve in curves), default=0.0)


def _legend(curves: Sequence[RatioCurve]) -> list[LegendEntry]:
    """What the kinds of lines are, as far as they occur."""
    entries = []
    if any(curve.predicted for curve in curves):
        entries = [
            LegendEntry(label="corrupted", colour=INK),
            LegendEntry(label="predicted, where fewer are", colour=INK, dashes=_DASHES, width=1.2),
        ]
    if any(curve.band for curve in curves):
        entries.append(
            LegendEntry(
                label="where the ratios of the sequences lie (Beta: one standard deviation)",
                colour=MUTED,
                width=7.0,
                opacity=0.25,
            )
        )
    return entries


def _draw_family(curves: Sequence[RatioCurve], top: float, axes: Axes) -> None:
    """Each different curve once, with the names of its recipes beside its end."""
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, top or 1.0)
    labels = []
    for place, alike in enumerate(_alike(curves)):
        first, colour = alike[0], run_colour(place)
        if first.band:
            axes.fill_between(first.progress, *first.band, color=colour.light, alpha=0.15, lw=0)
        axes.plot(first.progress, first.ratio, color=colour.light, linewidth=1.7, clip_on=False)
        labels.append(_Label(", ".join(curve.name for curve in alike), first.ratio[-1], colour))
        for curve in alike:
            if curve.predicted:
                axes.plot(
                    curve.progress,
                    curve.predicted,
                    color=colour.light,
                    linewidth=1.2,
                    linestyle=_DASHES,
                    clip_on=False,
                )
                text = f"{curve.name}, predicted"
                labels.append(_Label(text, curve.predicted[-1], colour))
    _name_ends(axes, labels)


def _alike(curves: Sequence[RatioCurve]) -> list[list[RatioCurve]]:
    """The curves, those together that have the same ratios and bands to 1e-9."""
    groups: list[list[RatioCurve]] = []
    for curve in curves:
        for group in groups:
            if _coincide(curve, group[0]):
                group.append(curve)
                break
        else:
            groups.append([curve])
    return groups


def _coincide(one: RatioCurve, other: RatioCurve) -> bool:
    if bool(one.band) != bool(other.band) or one.progress != other.progress:
        return False
    pairs = [(one.ratio, other.ratio), *zip(one.band or (), other.band or (), strict=True)]
    return all(np.allclose(a, b, rtol=0.0, atol=_EQUAL_UP_TO) for a, b in pairs)


@dataclass(frozen=True)
class _Label:
    text: str
    height: float
    """Of the end of the curve that it names."""
    colour: Colour


def _name_ends(axes: Axes, labels: Sequence[_Label]) -> None:
    """Names on the right of the axes, joined to the ends of their curves; they never overlap."""
    low, high = axes.get_ylim()
    gap = (
        _LABEL_GAP_POINTS * (high - low) / (axes.get_window_extent().height / axes.figure.dpi * 72)
    )
    ordered = sorted(labels, key=lambda label: label.height)
    # Places ascend and lines of text descend, so each label is filled from its last line.
    lines = [(label, line) for label in ordered for line in reversed(_lines_of(label.text))]
    places = spread([label.height for label, _ in lines], gap, low, high)
    of_label: dict[int, list[float]] = {}
    for (label, line), place in zip(lines, places, strict=True):
        of_label.setdefault(id(label), []).append(place)
        axes.text(1.065, place, line, color=label.colour.light, size=7.5, va="center_baseline")
    for label in ordered:
        middle = float(np.mean(of_label[id(label)]))
        colour = label.colour.light
        axes.plot(
            [1.005, 1.055],
            [label.height, middle],
            color=colour,
            linewidth=0.6,
            alpha=0.7,
            clip_on=False,
        )


def _lines_of(text: str) -> list[str]:
    return textwrap.wrap(text, _LABEL_LETTERS, break_on_hyphens=False) or ["(no name)"]
