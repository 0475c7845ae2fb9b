"""The colours of a report: one name, a value for paper and one for a dark screen.

Figures are drawn in the light values. On the page each of them is replaced by a CSS variable of
the same name, so that an inline figure follows the reader's colour scheme like the text does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Colour:
    """One colour in its two values, `#rrggbb`; no two colours share a light value."""

    name: str
    light: str
    dark: str

    @property
    def variable(self) -> str:
        """How CSS on the page refers to the colour."""
        return f"var(--{self.name})"


SURFACE = Colour("surface", "#ffffff", "#14171c")
INK = Colour("ink", "#1f2328", "#e8eaed")
MUTED = Colour("muted", "#5b6470", "#a3acb8")
GRID = Colour("grid", "#e1e5ea", "#2b313a")
AXIS = Colour("axis", "#aab2bd", "#565f6c")
FUNCTION = Colour("function", "#b07d00", "#e3b23c")
"""Function words, punctuation and other closed classes. Content words are drawn in `INK`."""

RUNS: tuple[Colour, ...] = (
    Colour("run-1", "#0072b2", "#4fa8e0"),
    Colour("run-2", "#d55e00", "#ff8b45"),
    Colour("run-3", "#009e73", "#2fc79b"),
    Colour("run-4", "#b8609a", "#e293c2"),
    Colour("run-5", "#56a8dd", "#9ad4ff"),
    Colour("run-6", "#8c4a2f", "#c98f76"),
    Colour("run-7", "#6f7680", "#b9c0ca"),
)
"""Colours of the runs in the order in which they are named.

The first four are those of Okabe and Ito (2008), which readers with any common colour-vision
deficiency can tell apart; the fourth is darkened to keep a contrast of 3 to 1 on white.
"""

_ALL = (SURFACE, INK, MUTED, GRID, AXIS, FUNCTION, *RUNS)

_DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "solid",
    (0, (5.0, 1.6)),
    (0, (1.2, 1.4)),
    (0, (6.0, 1.6, 1.2, 1.6)),
)
MARKER_PATHS = {
    "o": "M13 2a3 3 0 0 1 0 6a3 3 0 0 1 0-6z",
    "s": "M10.2 2.2h5.6v5.6h-5.6z",
    "^": "M13 1.6l3.4 6.2h-6.8z",
    "D": "M13 1.4l3.6 3.6l-3.6 3.6l-3.6-3.6z",
    "v": "M13 8.4l3.4-6.2h-6.8z",
    "P": "M12 2h2v2h2v2h-2v2h-2v-2h-2v-2h2z",
    "X": "M11 1.6l2 2l2-2l1.4 1.4l-2 2l2 2l-1.4 1.4l-2-2l-2 2l-1.4-1.4l2-2l-2-2z",
}
"""Marks of arms by their names in matplotlib, as they stand in the legends of the page."""

_MARKERS = tuple(MARKER_PATHS)


def run_colour(index: int) -> Colour:
    """Colour of the arm with this place in the comparison, counted from 0."""
    return RUNS[index % len(RUNS)]


def run_dashes(index: int) -> str | tuple[int, tuple[float, ...]]:
    """Line style of an arm: neighbours differ, so that they can be told apart in grey."""
    return _DASHES[index % len(_DASHES)]


def run_marker(index: int) -> str:
    """Mark of an arm, by the same rule."""
    return _MARKERS[index % len(_MARKERS)]


def style_sheet() -> str:
    """CSS that defines every colour as a variable, for paper and for a dark screen."""
    light = "".join(f"--{colour.name}:{colour.light};" for colour in _ALL)
    dark = "".join(f"--{colour.name}:{colour.dark};" for colour in _ALL)
    return (
        f":root{{color-scheme:light;{light}}}\n"
        "@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{color-scheme:dark;{dark}}}}}\n"
    )


def with_variables(svg: str) -> str:
    """The same drawing with each known colour as a CSS variable; others stay as they are."""
    for colour in _ALL:
        svg = re.sub(rf"{colour.light}\b", colour.variable, svg, flags=re.IGNORECASE)
    return svg
