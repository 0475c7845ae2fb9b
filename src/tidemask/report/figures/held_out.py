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
    BANDS,
    Scale,
    any_known,
    draw_arm,
    draw_reference,
    from_zero,
    highest,
    name_ends,
    run_legend,
    scale_of,
    text_above,
    with_unit,
)
from tidemask.report.figures.palette import GRID, run_colour, run_marker
from tidemask.report.results.arms import ComparedArm
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.terms import why_no_times
from tidemask.run_record import FLOPS, HELD_OUT_CELLS, MEAN_LOSS, PREDICTED_TOKENS, WALL_SECONDS

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
        f"loss of a model that knows how frequent each token is, and no context. {BANDS}",
    ),
    PREDICTED_TOKENS: (
        "predicted tokens",
        "The same losses against the masked positions that the run had learned from by then.",
    ),
    FLOPS: (
        "FLOPs",
        "The same losses against floating-point operations of forward and backward pass, by "
        "formula: layers, attention, and the head at the positions that are predicted.",
    ),
    WALL_SECONDS: (
        "training time",
        "The same losses against the time spent on training, evaluation left out. Each run had its "
        "machine to itself; another machine takes other times.",
    ),
}
"""By the metric that losses are drawn against: its name in a title, and the caption."""


def held_out_charts(arms: Sequence[ComparedArm]) -> list[Chart]:
    """Held-out loss against steps under every masking; against other costs, the mean alone."""
    runs = [arm.mean for arm in arms]
    measured = [loss for loss in _TITLES if any(any_known(run.series(loss)) for run in runs)]
    # What earlier versions measured has no mean; without any measurement a panel says so.
    losses = measured or [MEAN_LOSS]
    costs = [name for name in _COSTS if name != FLOPS or any_known(*(r.series(name) for r in runs))]
    leading = [MEAN_LOSS] if MEAN_LOSS in losses else losses
    return [_held_out_chart(arms, name, losses if name == "step" else leading) for name in costs]


def _held_out_chart(arms: Sequence[ComparedArm], name: str, losses: Sequence[str]) -> Chart:
    runs = [arm.mean for arm in arms]
    cost, caption = _COSTS[name]
    no_times = why_no_times(arms) if name == WALL_SECONDS else None
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
                draw=partial(_draw_curves, arms, name, scale, loss),
                missing=no_times
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
        size=(3.9, 2.9),
        right=1.15,
    )


def _draw_curves(
    arms: Sequence[ComparedArm], name: str, scale: Scale, loss: str, axes: Axes
) -> None:
    runs = [arm.mean for arm in arms]
    ends = [draw_arm(axes, arm, name, loss, scale[1]) for arm in arms]
    for line in _unigram_lines(runs):
        draw_reference(axes, line, f"word frequencies alone {line:.2f}")
    axes.set_ylim(*_loss_range(runs))
    from_zero(axes, highest(runs, name) / scale[1])
    name_ends(axes, [end for end in ends if end is not None])


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


def final_chart(arms: Sequence[ComparedArm]) -> Chart:
    """Final held-out loss of every arm and its seeds, the mean and each masking."""
    runs = [run for arm in arms for run in arm.drawn]
    known = [loss for loss in _TITLES if any(run.held_out.loss(loss) is not None for run in runs)]
    return Chart(
        name="final_held_out",
        title="Final held-out loss",
        caption=(
            "Lower is better. The small dots are seeds, the number is their mean. The bar of a "
            "single seed is one standard error of the measurement (which held-out sequences there "
            "are, and which of their tokens were masked); it does not say how another seed would "
            "have ended. The scales do not begin at zero, and each panel has its own."
        ),
        panels=[
            Panel(
                title=_TITLES[loss],
                x_label="nats per token",
                y_label="final held-out loss",
                draw=partial(_draw_final, arms, loss),
                missing=None if known else "No run has a held-out evaluation.",
            )
            for loss in known or [MEAN_LOSS]
        ],
        notes=[f"{run.label}: not evaluated." for run in runs if run.held_out.checkpoint is None],
        size=(3.3, 1.05 + 0.4 * len(arms)),
    )


def _draw_final(arms: Sequence[ComparedArm], name: str, axes: Axes) -> None:
    """One line per arm: its name and mean above, its seeds on it."""
    for place, arm in enumerate(arms):
        mean = arm.mean.held_out.loss(name)
        text_above(axes, place, arm.name, at_left=True, points=6)
        text_above(axes, place, "not evaluated" if mean is None else f"{mean:.3f}", points=6)
        axes.axhline(place, color=GRID.light, linewidth=0.6, zorder=0)
        if mean is None:
            continue
        colour, marker = run_colour(arm.index).light, run_marker(arm.index)
        if len(arm.drawn) == 1:
            error = arm.mean.held_out.standard_error(name)
            axes.errorbar(mean, place, xerr=error, color=colour, fmt=marker, markersize=5.5)
            continue
        seeds = [loss for run in arm.drawn if (loss := run.held_out.loss(name)) is not None]
        axes.plot(seeds, [place] * len(seeds), "o", color=colour, markersize=3.2, alpha=0.6)
        axes.plot(mean, place, marker, color=colour, markersize=6.5)
    axes.set_ylim(len(arms) - 0.5, -0.75)
    axes.yaxis.set_major_locator(NullLocator())
    axes.xaxis.set_major_formatter(even_digits())
    axes.grid(visible=True, axis="x")
    axes.margins(x=0.12)
