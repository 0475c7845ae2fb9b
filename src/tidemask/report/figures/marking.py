"""What a drawn thing stands for: its arm, its part in the chart, its value in words.

The page's script finds the things of a drawing by it. The words become the `title` of an SVG group,
which a browser shows under the pointer even without a script.
"""

from __future__ import annotations

import json
import re
from typing import Literal
from urllib.parse import quote, unquote

from markupsafe import escape
from matplotlib.artist import Artist
from matplotlib.axes import Axes

Part = Literal["curve", "band", "leader", "name", "point", "title", "x-axis"]
"""What a thing is in its chart.

`curve`, a line whose points are values; `band`, around a curve; `name`, at the end of a curve, and
its `leader`, the thin line to it; `point`, a single value; `title` of the panel; `x-axis`.
"""

_PREFIX = "tidemask-"


def mark(artist: Artist, part: Part, *, arm: int | None = None, words: str = "") -> None:
    """Say what an artist stands for, in the id of its SVG group.

    Args:
        artist: a line, a collection, a text or an axis.
        part: what it is in the chart.
        arm: the place of the arm that it belongs to; `None` if it belongs to none.
        words: the name of a curve, or the value of a point with its arm.
    """
    facts = {"part": part, "arm": arm, "words": words}
    artist.set_gid(_PREFIX + quote(json.dumps(facts), safe=""))


def with_marks(svg: str) -> str:
    """The same drawing with the marks as attributes and titles of its groups."""
    return re.sub(rf'<g id="{_PREFIX}([^"]*)">', _group, svg)


def _group(match: re.Match[str]) -> str:
    facts = json.loads(unquote(match[1]))
    arm = "" if facts["arm"] is None else f' data-arm="{facts["arm"]}"'
    words = f"<title>{escape(facts['words'])}</title>" if facts["words"] else ""
    return f'<g data-part="{facts["part"]}"{arm}>{words}'


def frame_of(axes: Axes, x_label: str) -> str:
    """Where the axes lie in the drawing and what they reach over, as JSON.

    Keys `x` and `y`: two places in the drawing, points from its upper left corner, and the values
    there; `log`: whether the vertical axis is logarithmic; `label`: of the horizontal one.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None, "the axes are on a figure"
    width, height = (72 * size for size in figure.get_size_inches())
    box = axes.get_position()
    places = {
        "x": [box.x0 * width, box.x1 * width, *axes.get_xlim()],
        "y": [(1 - box.y0) * height, (1 - box.y1) * height, *axes.get_ylim()],
    }
    facts = {name: [float(f"{value:.9g}") for value in found] for name, found in places.items()}
    return json.dumps({**facts, "log": axes.get_yscale() == "log", "label": x_label})
