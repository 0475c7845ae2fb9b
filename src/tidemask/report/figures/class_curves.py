"""Curves of token classes, one panel per run, and the chart of the cumulative losses.

Seventeen curves are read by group and by name: content words in ink, the other classes in amber,
rare classes thin, every curve with its name at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tidemask.report.figures.chart import Chart, LegendEntry, Panel
from tidemask.report.figures.curves import CurveEnd, any_known, from_zero, name_ends
from tidemask.report.figures.findings import at_the_end, extremes_in_words
from tidemask.report.figures.marking import mark
from tidemask.report.figures.palette import FUNCTION, INK, Colour, run_colour
from tidemask.report.results.compared_run import ComparedRun, Series
from tidemask.run_record import CLASS_LOSS
from tidemask.token_classes import CONTENT_UPOS, UPOS

RARE_SHARE = 0.01
"""Share of the corpus below which a class counts as rare."""

Curves = Mapping[str, tuple[Series, Series]]
"""Steps and values by class."""

CLASS_CHART: dict[str, Any] = {
    "columns": 2,
    "size": (4.6, 3.9),
    "right": 0.72,
}
"""Of the charts with a panel per run and a curve per class."""


def class_loss_chart(runs: Sequence[ComparedRun]) -> Chart:
    """Cumulative loss per class against step, one panel per run."""
    curves = [
        {name: (run.steps, run.series(CLASS_LOSS + name)) for name in run.classes(CLASS_LOSS)}
        for run in runs
    ]
    top = 1.03 * max(map(highest_of, curves))
    return Chart(
        name="class_loss",
        title="Cumulative loss per class",
        caption=(
            "Decayed mean of the training loss of each class, on the tokens that the run itself "
            "masked: compare the classes within a run. Between runs that mask differently it is "
            f"not the same measure. Classes under {RARE_SHARE * 100:g} % of the corpus are thin."
        ),
        panels=[
            Panel(
                title=run.label,
                x_label="step",
                y_label="cumulative loss, nats per token",
                draw=partial(draw_classes, run=run, curves=losses, top=top),
                swatch=run_colour(run.index),
                missing=None
                if any_known(*(values for _, values in losses.values()))
                else "No loss per class was logged.",
                alternative=extremes_in_words(run.label, "cumulative loss, nats,", ends_of(losses)),
            )
            for run, losses in zip(runs, curves, strict=True)
        ],
        legend=class_legend(curves),
        **CLASS_CHART,
    )


def class_legend(curves: Sequence[Curves]) -> tuple[LegendEntry, ...]:
    """What the colours of curves stand for, where some of them are of parts of speech."""
    if not any(name in UPOS for each in curves for name in each):
        return ()
    return (
        LegendEntry(label="content words", colour=INK),
        LegendEntry(label="function words, punctuation and others", colour=FUNCTION),
    )


def highest_of(curves: Curves) -> float:
    """The largest value of any class; 0 if none is known."""
    tops = [float(np.nanmax(values)) for _, values in curves.values() if any_known(values)]
    return max(tops, default=0.0)


def ends_of(curves: Curves) -> dict[str, float]:
    """The last known value of each class."""
    return at_the_end({name: values for name, (_, values) in curves.items()})


def draw_classes(
    axes: Axes, run: ComparedRun, curves: Curves, top: float, bottom: float = 0.0
) -> None:
    """Each class as a curve, from `bottom` to `top`, with its name beside the end."""
    axes.set_ylim(bottom, top)
    from_zero(axes, run.max_steps or run.last_step)
    ends = []
    for name, (steps, values) in curves.items():
        known = ~np.isnan(values)
        if not known.any():
            continue
        rare = 0 < run.corpus_share.get(name, 1.0) < RARE_SHARE
        width = 0.7 if rare else 1.5
        colour, x, y = group_colour(name), steps[known], values[known]
        (curve,) = axes.plot(x, y, color=colour.light, linewidth=width)
        mark(curve, "curve", words=name)
        ends.append(CurveEnd(name, float(x[-1]), float(y[-1]), colour))
    name_ends(axes, ends)


def group_colour(name: str) -> Colour:
    """Ink for content words and for classes that are no parts of speech, amber for others."""
    return FUNCTION if name in UPOS and name not in CONTENT_UPOS else INK
