"""A chart as data (panels, texts, legend), and how it is laid out on a matplotlib figure.

A chart is drawn twice: as one picture with heading and legend, for files, and panel by panel for
the page, where the browser sets the panels side by side or, on a phone, below each other.
`rendering` makes files and page elements of it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator, ScalarFormatter, StrMethodFormatter

from tidemask.report.figures.marking import mark
from tidemask.report.figures.palette import MUTED, SURFACE, Colour

_MARGINS = {"left": 0.52, "right": 0.16, "bottom": 0.46, "top": 0.52}
"""Room around the axes of a panel for titles and tick labels, inches."""

_LEGEND_HEIGHT = 0.26
_HEADING_HEIGHT = 0.3


@dataclass(frozen=True, kw_only=True)
class LegendEntry:
    """One line of a legend; `arm` is the place of the arm that it stands for, if it is one."""

    label: str
    colour: Colour
    arm: int | None = None
    dashes: Any = "solid"
    marker: str = ""
    width: float = 1.8
    opacity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: set in bold above the axes.
        x_label: below the axes, with the unit.
        y_label: above the axes under the title, with the unit: it stays horizontal.
        draw: puts the data on the axes.
        swatch: colour of the run that the panel belongs to, if it belongs to one.
        missing: why there is nothing to draw; shown in place of the axes.
        alternative: what it shows, for who cannot see it; empty for the title.
    """

    title: str
    x_label: str
    y_label: str
    draw: Callable[[Axes], None]
    swatch: Colour | None = None
    missing: str | None = None
    alternative: str = ""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One figure of the report.

    Attributes:
        name: of its files, without ending.
        title: what it shows.
        caption: how to read it, and what not to read into it.
        panels: at least one.
        legend: shared by all panels.
        notes: what is missing in it.
        columns: panels side by side in the file.
        size: of one panel, inches.
        right: room on the right of the axes for labels, inches.
    """

    name: str
    title: str
    caption: str
    panels: Sequence[Panel]
    legend: Sequence[LegendEntry] = ()
    notes: Sequence[str] = ()
    columns: int = 3
    size: tuple[float, float] = (3.3, 2.9)
    right: float = _MARGINS["right"]


def draw_chart(chart: Chart) -> Figure:
    """The whole chart: heading, legend, panels in rows, notes."""
    columns = max(1, min(chart.columns, len(chart.panels)))
    num_rows = -(-len(chart.panels) // columns)
    width = max(columns * chart.size[0], 4.6)
    legend_rows = _legend_rows(chart.legend, width)
    notes = [line for note in chart.notes for line in textwrap.wrap(note, int(width * 17))]
    head = _HEADING_HEIGHT + _LEGEND_HEIGHT * len(legend_rows) + 0.14
    height = head + num_rows * chart.size[1] + 0.18 * len(notes)
    figure = Figure(figsize=(width, height), facecolor=SURFACE.light)
    FigureCanvasAgg(figure)
    figure.text(0.13 / width, 1 - 0.1 / height, chart.title, size=11, weight="bold", va="top")
    for row, entries in enumerate(legend_rows):
        _draw_legend(figure, entries, height - _HEADING_HEIGHT - _LEGEND_HEIGHT * (row + 0.62))
    for number, panel in enumerate(chart.panels):
        row, column = divmod(number, columns)
        top = height - head - row * chart.size[1]
        draw_panel(figure, chart, panel, left=column * chart.size[0], top=top)
    text = "\n".join(notes)
    figure.text(0.13 / width, 0.06 / height, text, size=8, color=MUTED.light, va="bottom")
    return figure


def even_digits() -> ScalarFormatter:
    """Tick labels that all have the same number of digits after the point."""
    formatter = ScalarFormatter(useOffset=False)
    formatter.set_scientific(False)
    return formatter


def draw_panel(figure: Figure, chart: Chart, panel: Panel, *, left: float, top: float) -> None:
    """Put one panel of `chart.size` on the figure, its upper left corner there (inches)."""
    width, height = figure.get_size_inches()
    inner_width = chart.size[0] - _MARGINS["left"] - chart.right
    inner_height = chart.size[1] - _MARGINS["top"] - _MARGINS["bottom"]
    x, y = left + _MARGINS["left"], top - _MARGINS["top"] - inner_height
    axes = figure.add_axes((x / width, y / height, inner_width / width, inner_height / height))
    _draw_titles(axes, panel)
    if panel.missing:
        axes.set_axis_off()
        text = textwrap.fill(panel.missing, int(inner_width * 13))
        axes.text(0.0, 0.9, text, color=MUTED.light, va="top", transform=axes.transAxes)
        return
    axes.set_xlabel(panel.x_label, loc="right")
    mark(axes.xaxis, "x-axis")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axes.yaxis.set_major_formatter(even_digits())
    axes.tick_params(length=2.5, width=0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="x")
    axes.spines["left"].set_visible(False)
    panel.draw(axes)


def _draw_titles(axes: Axes, panel: Panel) -> None:
    def above(text: str, x: float, y: float, **style: Any) -> Annotation:
        return axes.annotate(
            text,
            (0, 1),
            xytext=(x - 36, y),
            xycoords="axes fraction",
            textcoords="offset points",
            annotation_clip=False,
            **style,
        )

    if panel.swatch:
        above("■", 0, 20, color=panel.swatch.light, size=10)
    title = above(panel.title, 12 if panel.swatch else 0, 20, weight="bold", size=9)
    mark(title, "title")
    if not panel.missing:
        above(panel.y_label, 0, 8, color=MUTED.light, size=8)


def _legend_rows(legend: Sequence[LegendEntry], width: float) -> list[list[LegendEntry]]:
    """The entries in rows that fit into `width` inches."""
    rows: list[list[LegendEntry]] = []
    room = 0.0
    for entry in legend:
        needed = _legend_width(entry)
        if not rows or needed > room:
            rows.append([])
            room = width - 0.2
        rows[-1].append(entry)
        room -= needed
    return rows


def _legend_width(entry: LegendEntry) -> float:
    return 0.5 + 0.078 * len(entry.label)


def _draw_legend(figure: Figure, entries: Sequence[LegendEntry], y: float) -> None:
    width, height = figure.get_size_inches()
    x = 0.13
    for entry in entries:
        line = Line2D(
            [x / width, (x + 0.24) / width],
            [y / height, y / height],
            color=entry.colour.light,
            linestyle=entry.dashes,
            marker=entry.marker,
            markersize=4.5,
            linewidth=entry.width,
            alpha=entry.opacity,
        )
        figure.add_artist(line)
        figure.text((x + 0.3) / width, y / height, entry.label, va="center_baseline")
        x += _legend_width(entry)
