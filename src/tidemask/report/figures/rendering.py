"""How a chart becomes a PNG file, an SVG file, and `svg` elements inside the page.

Only matplotlib's object interface is used, with its default settings whatever the user's are, and
without dates: the same chart gives the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from markupsafe import escape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tidemask.report.figures.chart import Chart, draw_chart, draw_panel
from tidemask.report.figures.marking import frame_of, with_marks
from tidemask.report.figures.palette import AXIS, GRID, INK, MUTED, with_variables

Format = Literal["svg", "png"]

_DPI = 160
# Keys are `Any` because matplotlib 3.11 types them as literals and 3.9 as texts.
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.edgecolor": AXIS.light,
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": MUTED.light,
    "grid.color": GRID.light,
    "grid.linewidth": 0.6,
    "xtick.color": AXIS.light,
    "ytick.color": AXIS.light,
    "xtick.labelcolor": MUTED.light,
    "ytick.labelcolor": MUTED.light,
    "text.color": INK.light,
    "text.parse_math": False,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
}


def rendered(chart: Chart, formats: Sequence[Format]) -> dict[Format, bytes]:
    """The whole chart with heading and legend, on white, in some formats; it is drawn once.

    Texts of an SVG file stay texts.
    """
    with _style(chart.name):
        figure = draw_chart(chart)
        return {name: _in_format(figure, name) for name in formats}


def _in_format(figure: Figure, name: Format) -> bytes:
    if name == "png":
        return _saved(figure, format="png", dpi=_DPI, metadata={"Software": None})
    return _saved_svg(figure).encode()


def panel_svgs(chart: Chart) -> list[str]:
    """Each panel as an `svg` element for the page: transparent, colours as CSS variables.

    Of a panel that is missing nothing is drawn: the page has its text.
    """
    return [_panel_svg(chart, number) for number in range(len(chart.panels))]


def _panel_svg(chart: Chart, number: int) -> str:
    panel, name = chart.panels[number], f"{chart.name}-{number}"
    if panel.missing:
        return ""
    with _style(name):
        figure = Figure(figsize=chart.size, facecolor="none")
        FigureCanvasAgg(figure)
        draw_panel(figure, chart, panel, left=0.0, top=chart.size[1])
        attributes = {
            "role": "img",
            "aria-label": panel.alternative or panel.title,
            "data-title": panel.title,
            "data-frame": frame_of(figure.axes[0], panel.x_label),
        }
        return _inlined(_saved_svg(figure), name, attributes)


@contextmanager
def _style(salt: str) -> Iterator[None]:
    """Matplotlib's defaults with ours on top; the caller's settings come back afterwards."""
    with mpl.rc_context(), warnings.catch_warnings():
        # A directory may be named in letters that the font lacks: boxes are better than an error.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": salt})
        yield


def _saved(figure: Figure, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, facecolor=figure.get_facecolor(), **options)
    return buffer.getvalue()


def _saved_svg(figure: Figure) -> str:
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    return with_marks(_saved(figure, format="svg", metadata=no_metadata).decode())


def _inlined(svg: str, prefix: str, attributes: Mapping[str, str]) -> str:
    """The `svg` element alone, its ids made unique on the page, its size left to the page."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}-", element)
    element = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", element, count=1)
    element = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", element, count=1)
    said = "".join(f'{name}="{escape(text)}" ' for name, text in attributes.items())
    element = element.replace("<svg ", f"<svg {said}", 1)
    # As one property up to matplotlib 3.10, as two from 3.11 on.
    element = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--font)", element)
    element = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", element)
    return with_variables(element).strip()
