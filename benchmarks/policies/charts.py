"""The figures of the guide on what to mask: how each looks, and what it says in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from benchmarks.policies.series import Panel
from tidemask.report.figures import chart as charts
from tidemask.report.figures.class_curves import group_colour
from tidemask.report.figures.curves import CurveEnd, name_ends
from tidemask.report.figures.palette import RUNS, Colour
from tidemask.token_classes import UPOS

Kind = Literal["curves", "bars", "shares", "points"]


@dataclass(frozen=True)
class PanelWords:
    """Title of a panel, the names of its axes, and what stands in it."""

    title: str
    y: str
    x: str = "step"
    kind: Kind = "curves"


@dataclass(frozen=True)
class FigureWords:
    """Title of a figure and the words of its panels."""

    title: str
    panels: Sequence[PanelWords]


FIGURES = {
    "ratio": FigureWords(
        "A ratio that falls, and a constant at its mean",
        [
            PanelWords("Masking ratio", "% of the tokens"),
            PanelWords("Held-out loss", "nats per token"),
        ],
    ),
    "class-loss": FigureWords(
        "Parts of speech, weighted by their loss",
        [
            PanelWords("Cumulative loss of a class", "nats per token"),
            PanelWords("Its weight", "0.5 is neutral"),
        ],
    ),
    "statistics": FigureWords(
        "Two statistics, and the weights that follow them",
        [
            PanelWords("Weight by learnability", "1 is neutral"),
            PanelWords("Weight by progress", "1 is neutral"),
        ],
    ),
    "mixture": FigureWords(
        "A mixture: class loss takes over from chance",
        [
            PanelWords("Share of the budget", "%"),
            PanelWords("Tokens of a class that are masked", "%"),
        ],
    ),
    "columns": FigureWords(
        "Columns: a word list and TF-IDF",
        [
            PanelWords("Masked tokens of a class of the list", "%", "", "bars"),
            PanelWords("Masked tokens by TF-IDF", "%", "", "bars"),
        ],
    ),
    "phases": FigureWords(
        "Phases: single tokens, then spans",
        [
            PanelWords("Masked tokens side by side", "mean number"),
            PanelWords("Held-out loss", "nats per token"),
        ],
    ),
    "reference": FigureWords(
        "Words weighted by the entropy of a reference model",
        [
            PanelWords("Entropy of its predictions", "% of the positions", "nats", "shares"),
            PanelWords("Masked positions by entropy", "%", "", "bars"),
        ],
    ),
    "scored": FigureWords(
        "Positions scored by the model itself",
        [
            PanelWords("Entropy of its predictions", "% of the positions", "nats", "shares"),
            PanelWords("Masked positions by entropy", "%", "", "bars"),
        ],
    ),
    "bandit": FigureWords(
        "A bandit over four ratios",
        [
            PanelWords("Chance of each ratio", "%"),
            PanelWords("Ratio that was chosen", "% of the tokens", kind="points"),
        ],
    ),
}
"""By the name of its file."""


def chart_of(name: str, panels: Sequence[Panel]) -> charts.Chart:
    """A figure with its numbers, two panels side by side."""
    words = FIGURES[name]
    has_bars = any(panel.kind == "bars" for panel in words.panels)
    drawn = [
        charts.Panel(
            title=said.title, x_label=said.x, y_label=said.y, draw=partial(_DRAW[said.kind], panel)
        )
        for said, panel in zip(words.panels, panels, strict=True)
    ]
    return charts.Chart(
        name=name,
        title=words.title,
        caption="",
        panels=drawn,
        columns=2,
        size=(3.4, 2.7),
        right=0.16 if has_bars else 0.92,
    )


def in_words(name: str, panels: Sequence[Panel]) -> str:
    """What a figure shows, for who cannot see it: its ends, its bars."""
    said = [
        f"{words.title}, {words.y}: {_SAY[words.kind](panel)}."
        for words, panel in zip(FIGURES[name].panels, panels, strict=True)
    ]
    return " ".join([f"{FIGURES[name].title}.", *said])


def _colours(names: Sequence[str]) -> Mapping[str, Colour]:
    if set(names) <= set(UPOS):
        return {name: group_colour(name) for name in names}
    return dict(zip(names, RUNS, strict=False))


def _draw_curves(panel: Panel, axes: Axes) -> None:
    colours = _colours(list(panel))
    ends = []
    for name, (x, y) in panel.items():
        axes.plot(x, y, color=colours[name].light, linewidth=1.5)
        if len(panel) > 1:
            ends.append(CurveEnd(name, x[-1], y[-1], colours[name]))
    axes.set_xlim(left=0)
    if min(min(y) for _, y in panel.values()) < 0.5 * max(max(y) for _, y in panel.values()):
        axes.set_ylim(bottom=0)
    name_ends(axes, ends)


def _draw_bars(panel: Panel, axes: Axes) -> None:
    for place, height in ((x[0], y[0]) for x, y in panel.values()):
        axes.bar(place, height, width=0.66, color=RUNS[0].light)
        axes.annotate(
            f"{height:.1f}", (place, height), (0, 2), textcoords="offset points", ha="center"
        )
    names = [name.replace(" ", "\n") for name in panel]
    axes.set_xticks(range(len(names)), names, size=7.5)
    axes.margins(y=0.12)


def _draw_shares(panel: Panel, axes: Axes) -> None:
    """Distributions as stairs, named in the room above them."""
    for line, (name, (x, y), colour) in enumerate(zip(panel, panel.values(), RUNS, strict=False)):
        axes.stairs(y, [x[0] - 0.25, *(middle + 0.25 for middle in x)], color=colour.light, lw=1.6)
        axes.text(
            0.02, 0.98 - 0.1 * line, name, transform=axes.transAxes,
            va="top", color=colour.light,
        )  # fmt: skip
    axes.set_ylim(0, 1.3 * max(max(y) for _, y in panel.values()))


def _draw_points(panel: Panel, axes: Axes) -> None:
    ((x, y),) = panel.values()
    axes.plot(x, y, "o", color=RUNS[0].light, markersize=3)
    axes.set_yticks(sorted(set(y)))
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)


def _say_curves(panel: Panel) -> str:
    return ", ".join(f"{name} from {y[0]:.3g} to {y[-1]:.3g}" for name, (_, y) in panel.items())


def _say_bars(panel: Panel) -> str:
    return ", ".join(f"{name} {y[0]:.3g}" for name, (_, y) in panel.items())


def _say_shares(panel: Panel) -> str:
    means = {name: np.average(x, weights=y) for name, (x, y) in panel.items()}
    return ", ".join(f"{name} have a mean of {mean:.2f} nats" for name, mean in means.items())


def _say_points(panel: Panel) -> str:
    ((_, y),) = panel.values()
    counts = sorted(Counter(y).items())
    return ", ".join(f"{value:g} % in {count} of {len(y)} blocks" for value, count in counts)


_DRAW: Mapping[Kind, Callable[[Panel, Axes], None]] = {
    "curves": _draw_curves,
    "bars": _draw_bars,
    "shares": _draw_shares,
    "points": _draw_points,
}
_SAY: Mapping[Kind, Callable[[Panel], str]] = {
    "curves": _say_curves,
    "bars": _say_bars,
    "shares": _say_shares,
    "points": _say_points,
}
