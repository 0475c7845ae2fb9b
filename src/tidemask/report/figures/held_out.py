"""Held-out losses: curves against three measures of cost, and the final ones with their errors.

The mean over the fixed maskings leads: one alone favours the recipe that trains as it measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from tidemask.report.figures.chart import Chart, Panel, even_digits
from tidemask.report.figures.curves import (
    Scale,
    any_known,
    draw_curve,
    draw_reference,
    from_zero,
    highest,
    run_legend,
    scale_of,
    text_above,
    with_unit,
)
from tidemask.report.figures.palette import GRID, run_colour
from tidemask.report.results.compared_run import ComparedRun
from tidemask.run_record import HELD_OUT_CELLS, MEAN_LOSS, PREDICTED_TOKENS, WALL_SECONDS

_TITLES = {
    MEAN_LOSS: "Mean over the six maskings",
    **{cell.loss: f"{cell.title} masked" for cell in HELD_OUT_CELLS},
}

_SAME_LINE = 5e-4
"""Unigram cross-entropies closer than this (nats) are one line: they are shown with two digits."""


_COSTS = {
    "step": (
        "steps",
        "Mean loss on held-out text under the same fixed maskings for every run: 5, 15 and 30 % of "
        "the tokens, drawn uniformly as single tokens and as whole words, all shown as the mask "
        "token. The dashed line is what the token frequencies of the training text give there: the "
        "loss of a model that knows how frequent each token is, and no context.",
    ),
    PREDICTED_TOKENS: (
        "predicted tokens",
        "The same losses against the masked positions that the run had learned from by then.",
    ),
    WALL_SECONDS: (
        "training time",
        "The same losses against the time spent on training, evaluation left out. It depends on "
        "the machine and on what else it did.",
    ),
}
"""By the metric that losses are drawn against: its name in a title, and the caption."""


def held_out_charts(runs: Sequence[ComparedRun]) -> list[Chart]:
    """Held-out loss against steps under every masking; against other costs, the mean alone."""
    measured = [loss for loss in _TITLES if any(any_known(run.series(loss)) for run in runs)]
    # What earlier versions measured has no mean; without any measurement a panel says so.
    losses = measured or [MEAN_LOSS]
    leading = [MEAN_LOSS] if MEAN_LOSS in losses else losses
    return [_held_out_chart(runs, name, losses if name == "step" else leading) for name in _COSTS]


def _held_out_chart(runs: Sequence[ComparedRun], name: str, losses: Sequence[str]) -> Chart:
    cost, caption = _COSTS[name]
    scale = ("", 1.0) if name == "step" else scale_of(runs, name)
    return Chart(
        name=f"held_out_by_{name}",
        title=f"Held-out loss against {cost}",
        caption=caption,
        panels=[
            Panel(
                title=_TITLES[loss],
                x_label="step" if name == "step" else with_unit(cost, scale),
                y_label="held-out loss, nats per token",
                draw=partial(_draw_curves, runs, name, scale, loss),
                missing=None
                if any(any_known(run.series(loss) + run.series(name)) for run in runs)
                else "No run measured its held-out loss while it was training.",
            )
            for loss in losses
        ],
        legend=run_legend(runs),
        notes=[
            f"{run.label}: no held-out loss was measured while it was training."
            for run in runs
            if not any_known(*(run.series(loss) for loss in _TITLES))
        ],
    )


def _draw_curves(
    runs: Sequence[ComparedRun], name: str, scale: Scale, loss: str, axes: Axes
) -> None:
    for run in runs:
        draw_curve(axes, run, run.series(name) / scale[1], run.series(loss), marked=True)
    for line in _unigram_lines(runs):
        draw_reference(axes, line, f"word frequencies alone {line:.2f}")
    axes.set_ylim(*_loss_range(runs))
    from_zero(axes, highest(runs, name) / scale[1])


def _unigram_lines(runs: Sequence[ComparedRun]) -> list[float]:
    """The different unigram cross-entropies of the runs."""
    distinct: list[float] = []
    for run in runs:
        line = run.unigram_cross_entropy
        if line is not None and all(abs(line - other) > _SAME_LINE for other in distinct):
            distinct.append(line)
    return distinct


def _loss_range(runs: Sequence[ComparedRun]) -> tuple[float, float]:
    """One range for all panels, so that they can be compared; it contains every line."""
    losses = np.concatenate([run.series(name) for run in runs for name in _TITLES])
    values = np.append(losses[~np.isnan(losses)], _unigram_lines(runs))
    room = 0.06 * (values.max() - values.min()) or 0.5
    return float(values.min() - room), float(values.max() + 1.6 * room)


def final_chart(runs: Sequence[ComparedRun]) -> Chart:
    """Final held-out loss of every run with its standard error, the mean and each masking."""
    known = [loss for loss in _TITLES if any(run.held_out.loss(loss) is not None for run in runs)]
    return Chart(
        name="final_held_out",
        title="Final held-out loss",
        caption=(
            "Lower is better. The bars are one standard error of the measurement (which held-out "
            "sequences there are, and which of their tokens were masked); they do not say how "
            "another seed would have ended. The scales do not begin at zero, and each panel has "
            "its own."
        ),
        panels=[
            Panel(
                title=_TITLES[loss],
                x_label="nats per token",
                y_label="held-out loss and its standard error",
                draw=partial(_draw_final, runs, loss),
                missing=None if known else "No run has a held-out evaluation.",
            )
            for loss in known or [MEAN_LOSS]
        ],
        notes=[f"{run.label}: not evaluated." for run in runs if run.held_out.checkpoint is None],
        size=(3.3, 1.05 + 0.4 * len(runs)),
    )


def _draw_final(runs: Sequence[ComparedRun], name: str, axes: Axes) -> None:
    """One line per run: its name and loss above, the point with its error on it."""
    for place, run in enumerate(runs):
        loss, error = run.held_out.loss(name), run.held_out.standard_error(name)
        text = "not evaluated" if loss is None else f"{loss:.3f}"
        text_above(axes, place, run.label, at_left=True, points=6)
        text_above(axes, place, text, points=6)
        axes.axhline(place, color=GRID.light, linewidth=0.6, zorder=0)
        if loss is not None:
            colour = run_colour(run.index).light
            axes.errorbar(loss, place, xerr=error, color=colour, fmt="o", markersize=5.5)
    axes.set_ylim(len(runs) - 0.5, -0.75)
    axes.yaxis.set_major_locator(NullLocator())
    axes.xaxis.set_major_formatter(even_digits())
    axes.grid(visible=True, axis="x")
    axes.margins(x=0.12)
