"""The charts of what weights follow: a statistic of each class, and the weights that it gave."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from tidemask.report.figures.chart import Chart, Panel
from tidemask.report.figures.class_curves import (
    CLASS_CHART,
    Curves,
    class_legend,
    draw_classes,
    ends_of,
)
from tidemask.report.figures.curves import any_known
from tidemask.report.figures.findings import extremes_in_words
from tidemask.report.figures.palette import run_colour
from tidemask.report.results.compared_run import ComparedRun
from tidemask.run_record import CLASS_STATISTIC, CLASS_WEIGHT

_UNITS = {
    "loss": "cumulative loss, nats per token",
    "accuracy": "share of the predictions that are right",
    "inverted_loss": "inverted loss, from 0 to 1",
    "learnability": "mean of q (1 - q), q the probability of the true token",
    "progress": "fall of the loss, in standard errors",
}
"""What each statistic is, as the axis of its panel says."""


def statistic_charts(runs: Sequence[ComparedRun]) -> list[Chart]:
    """The statistic that weights follow and the weights, of the runs that logged one."""
    followed = [run for run in runs if known_curves(run, CLASS_STATISTIC)]
    weighted = [run for run in followed if known_curves(run, CLASS_WEIGHT)]
    return [
        chart(of) for chart, of in ((_statistic_chart, followed), (_weight_chart, weighted)) if of
    ]


def known_curves(run: ComparedRun, prefix: str) -> Curves:
    """Steps and values of each class that a metric is known of."""
    found = {name: (run.steps, run.series(prefix + name)) for name in run.classes(prefix)}
    return {name: curve for name, curve in found.items() if any_known(curve[1])}


def _statistic_chart(runs: Sequence[ComparedRun]) -> Chart:
    return Chart(
        name="class_statistic",
        title="The statistic that the weights of classes follow",
        caption=(
            "Decayed over the horizon of the policy, on the tokens that the run itself masked: "
            "compare the classes within a run. The weights follow it by the map of the policy."
        ),
        panels=[
            _panel(run, CLASS_STATISTIC, _UNITS.get(statistic_of(run), statistic_of(run)))
            for run in runs
        ],
        legend=class_legend([known_curves(run, CLASS_STATISTIC) for run in runs]),
        **CLASS_CHART,
    )


def _weight_chart(runs: Sequence[ComparedRun]) -> Chart:
    return Chart(
        name="class_weight",
        title="Weights of classes",
        caption=(
            "How strongly each class was preferred at a step; only their quotients matter, so the "
            "shares of classes say how often they were masked."
        ),
        panels=[_panel(run, CLASS_WEIGHT, "weight") for run in runs],
        legend=class_legend([known_curves(run, CLASS_WEIGHT) for run in runs]),
        **CLASS_CHART,
    )


def statistic_of(run: ComparedRun) -> str:
    """The statistic that a run followed, by the name of its setting, wherever that stands."""
    return _named_in(run.setting("masking")) or "statistic"


def _named_in(settings: object) -> str | None:
    if isinstance(settings, dict):
        if settings.get("weighting") == "class_statistic":
            return str(settings.get("statistic"))
        settings = list(settings.values())
    if isinstance(settings, list | tuple):
        return next((name for each in settings if (name := _named_in(each))), None)
    return None


def _panel(run: ComparedRun, prefix: str, what: str) -> Panel:
    curves = known_curves(run, prefix)
    values = np.concatenate([values for _, values in curves.values()])
    low, high = min(0.0, float(np.nanmin(values))), float(np.nanmax(values))
    room = 0.04 * (high - low) or 1.0
    return Panel(
        title=run.label,
        x_label="step",
        y_label=what,
        draw=partial(
            draw_classes, run=run, curves=curves, top=high + room, bottom=low - room * (low < 0)
        ),
        swatch=run_colour(run.index),
        alternative=extremes_in_words(run.label, what, ends_of(curves)),
    )
