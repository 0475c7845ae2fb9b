"""The ratio curves of many recipes in one figure: a panel per schedule, a name per curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tidemask.errors import UserError
from tidemask.files.atomic import write_atomically
from tidemask.report.figures.chart import Chart, LegendEntry, Panel
from tidemask.report.figures.curves import CurveEnd, name_ends
from tidemask.report.figures.palette import INK, MUTED, Colour, run_colour
from tidemask.report.figures.rendering import Format, rendered
from tidemask.report.results.compared_run import Series
from tidemask.system_errors import why_refused

PROGRESS: Series = np.arange(1001) / 1000
"""Completed shares of a run at which a curve has its points."""

_DASHES = (0, (3.2, 2.2))


@dataclass(frozen=True, kw_only=True)
class RatioCurve:
    """The masking ratio of one recipe over its run, at each point of `PROGRESS`.

    Attributes:
        name: of the recipe.
        family: title of the panel that it is drawn in.
        ratio: share of the maskable tokens that is corrupted, in [0, 1].
        band: lower and upper end of the ratios of a step's sequences, or of those that a block of
            steps may have, if they differ.
        predicted: share of the maskable tokens that is predicted, if it is another.
    """

    name: str
    family: str
    ratio: Series
    band: tuple[Series, Series] | None = None
    predicted: Series | None = None


def write_ratio_curves(curves: Sequence[RatioCurve], path: Path) -> None:
    """Draw the curves into a file, which is whole or left as it was.

    Args:
        curves: at least one.
        path: ends in .png or .svg; its directory is made if it is missing.

    Raises:
        UserError: another ending, or a place that cannot be written to.
    """
    if path.suffix.lower() not in (".png", ".svg"):
        raise UserError(
            f"unknown kind of figure: {path}. Expected a name that ends in .png or .svg."
        )
    chart = ratio_curves_chart(curves)
    ending: Format = "png" if path.suffix.lower() == ".png" else "svg"
    content = rendered(chart, [ending])[ending]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"figure not written: {why_refused(error, path)}.") from error
    write_atomically(path, content, what="figure")


def ratio_curves_chart(curves: Sequence[RatioCurve]) -> Chart:
    """All curves in one chart, one panel per family in the order in which the families come."""
    families: dict[str, list[RatioCurve]] = {}
    for curve in curves:
        families.setdefault(curve.family, []).append(curve)
    legend = [LegendEntry(label="corrupted", colour=INK)]
    if any(curve.predicted is not None for curve in curves):
        legend.append(LegendEntry(label="predicted, where fewer are", colour=INK, dashes=_DASHES))
    if any(curve.band for curve in curves):
        label = "range of the ratios of sequences (Beta: one standard deviation) or blocks"
        legend.append(LegendEntry(label=label, colour=MUTED, width=7.0, opacity=0.25))
    common = _highest([curve for curve in curves if not curve.band])
    return Chart(
        name="ratio_curves",
        title="Masking ratio over the run, by schedule",
        caption="Share of the maskable tokens that is corrupted, by the completed share of a run.",
        panels=[_panel(family, members, common) for family, members in families.items()],
        legend=legend,
        columns=3,
        size=(4.2, 2.95),
        right=1.3,
    )


def _highest(curves: Sequence[RatioCurve]) -> float:
    return max((float(max(c.band[1] if c.band else c.ratio)) for c in curves), default=0.0)


def _panel(family: str, curves: Sequence[RatioCurve], common: float) -> Panel:
    """One family, up to the ratio that all panels share, or higher where it has to be."""
    top = max(common, _highest(curves))
    return Panel(
        title=family,
        x_label="progress s",
        y_label="masking ratio, on another scale" if top > common > 0 else "masking ratio",
        draw=partial(_draw, curves, 1.05 * top or 1.0),
    )


def _draw(curves: Sequence[RatioCurve], top: float, axes: Axes) -> None:
    """Draw each curve with its name; curves of the same ratios have one colour."""
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, top)
    colours: dict[tuple[float, ...], Colour] = {}
    ends = []
    for curve in curves:
        colour = colours.setdefault(tuple(curve.ratio.round(9)), run_colour(len(colours)))
        axes.plot(PROGRESS, curve.ratio, color=colour.light, linewidth=1.7, clip_on=False)
        ends.append(CurveEnd(curve.name, 1.0, curve.ratio[-1], colour))
        if curve.band:
            axes.fill_between(PROGRESS, *curve.band, color=colour.light, alpha=0.15, lw=0)
        if curve.predicted is not None:
            (line,) = axes.plot(PROGRESS, curve.predicted, color=colour.light, clip_on=False)
            line.set(linestyle=_DASHES, linewidth=1.2)
            ends.append(CurveEnd(f"{curve.name}, predicted", 1.0, curve.predicted[-1], colour))
    name_ends(axes, ends)
