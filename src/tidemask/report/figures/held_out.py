"""Curves of held-out loss against what was spent: steps, tokens, FLOPs, time.

The mean over the fixed maskings leads: one alone favours the recipe that trains as it measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from tidemask.report.figures.chart import Chart, Panel
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
    with_unit,
)
from tidemask.report.figures.findings import losses_in_words
from tidemask.report.results.arms import ComparedArm
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.terms import why_no_times
from tidemask.run_record import (
    FLOPS,
    HELD_OUT_CELLS,
    MEAN_LOSS,
    PREDICTED_TOKENS,
    TOKENS_SEEN,
    WALL_SECONDS,
)

LOSS_TITLES = {
    MEAN_LOSS: "Mean over the six maskings",
    **{cell.loss: f"{cell.title} masked" for cell in HELD_OUT_CELLS},
}

_SAME_LINE = 5e-4
"""Unigram cross-entropies closer than this (nats) are one line: they are shown with two digits."""


COSTS = {
    "step": ("steps", ""),
    TOKENS_SEEN: ("tokens", "Tokens are those of all batches so far, masked or not."),
    PREDICTED_TOKENS: (
        "predicted tokens",
        "Predicted tokens are the masked positions that a run had learned from by then.",
    ),
    FLOPS: (
        "FLOPs",
        "FLOPs are floating-point operations of forward and backward pass, by formula: layers, "
        "attention, and the head at the positions that are predicted.",
    ),
    WALL_SECONDS: (
        "training time",
        "Training time leaves evaluation out. Each run had its machine to itself; another machine "
        "takes other times.",
    ),
}
"""By the metric that losses are drawn against: its name in a title, and what it counts."""

_CAPTION = (
    "Loss on held-out text under the same fixed maskings for every run: 5, 15 and 30 % of the "
    "tokens, drawn uniformly as single tokens and as whole words, all shown as the mask token. The "
    "dashed line is what the token frequencies of the training text give there: the loss of a "
    f"model that knows how frequent each token is, and no context. {BANDS}"
)


def held_out_charts(arms: Sequence[ComparedArm]) -> list[Chart]:
    """Held-out loss against steps under every masking; against other costs, the mean alone."""
    runs = [arm.mean for arm in arms]
    losses = measured_losses(runs)
    leading = [MEAN_LOSS] if MEAN_LOSS in losses else losses
    return [
        _held_out_chart(arms, name, losses if name == "step" else leading)
        for name in known_costs(runs)
    ]


def held_out_figure(arms: Sequence[ComparedArm]) -> Chart:
    """The first panel of the chart against steps, large; the page's script shows the others."""
    loss = measured_losses([arm.mean for arm in arms])[0]
    chart = _held_out_chart(arms, "step", [loss])
    return replace(chart, title="Held-out loss", size=(4.2, 3.0), columns=1)


def measured_losses(runs: Sequence[ComparedRun]) -> list[str]:
    """The held-out losses that any run measured while it was training, the mean first."""
    measured = [loss for loss in LOSS_TITLES if any(any_known(run.series(loss)) for run in runs)]
    # What earlier versions measured has no mean; without any measurement a panel says so.
    return measured or [MEAN_LOSS]


def known_costs(runs: Sequence[ComparedRun]) -> list[str]:
    """What losses can be drawn against; FLOPs only where they were logged."""
    return [name for name in COSTS if name != FLOPS or any_known(*(r.series(name) for r in runs))]


def cost_scale(runs: Sequence[ComparedRun], name: str) -> tuple[str, Scale]:
    """The label of the horizontal axis, and the scale of its numbers."""
    if name == "step":
        return "step", ("", 1.0)
    scale = scale_of(runs, name)
    if name == FLOPS and scale[0]:
        return scale[0], scale  # the unit names what it counts
    return with_unit(COSTS[name][0], scale), scale


def _held_out_chart(arms: Sequence[ComparedArm], name: str, losses: Sequence[str]) -> Chart:
    runs = [arm.mean for arm in arms]
    cost, note = COSTS[name]
    label, scale = cost_scale(runs, name)
    no_times = why_no_times(arms) if name == WALL_SECONDS else None
    return Chart(
        name=f"held_out_by_{name}",
        title=f"Held-out loss against {cost}",
        caption=f"The same losses. {note}" if note else _CAPTION,
        panels=[
            Panel(
                title=LOSS_TITLES[loss],
                x_label=label,
                y_label="held-out loss, nats per token",
                draw=partial(_draw_curves, arms, name, scale, loss),
                missing=no_times
                if any(any_known(run.series(loss) + run.series(name)) for run in runs)
                else "No run measured its held-out loss while it was training.",
                alternative=losses_in_words(LOSS_TITLES[loss], runs, loss, unigram_lines(runs)),
            )
            for loss in losses
        ],
        legend=run_legend(runs),
        notes=[
            f"{run.label}: no held-out loss was measured while it was training."
            for run in runs
            if not any_known(*(run.series(loss) for loss in LOSS_TITLES))
        ]
        + [
            f"{run.label} has no value against {cost}: it is not drawn."
            for run in runs
            if any_known(*(run.series(loss) for loss in losses))
            and not any_known(*(run.series(loss) + run.series(name) for loss in losses))
        ],
        size=(3.9, 2.9),
        right=1.15,
    )


def _draw_curves(
    arms: Sequence[ComparedArm], name: str, scale: Scale, loss: str, axes: Axes
) -> None:
    runs = [arm.mean for arm in arms]
    ends = [draw_arm(axes, arm, name, loss, scale[1]) for arm in arms]
    for line in unigram_lines(runs):
        draw_reference(axes, line, f"word frequencies alone {line:.2f}")
    axes.set_ylim(*_loss_range(runs))
    from_zero(axes, highest(runs, name) / scale[1])
    name_ends(axes, [end for end in ends if end is not None])


def unigram_lines(runs: Sequence[ComparedRun]) -> list[float]:
    """The different unigram cross-entropies of the runs."""
    distinct: list[float] = []
    for run in runs:
        line = run.unigram_cross_entropy
        if line is not None and all(abs(line - other) > _SAME_LINE for other in distinct):
            distinct.append(line)
    return distinct


def _loss_range(runs: Sequence[ComparedRun]) -> tuple[float, float]:
    """One range for all panels, so that they can be compared; it contains every line."""
    losses = np.concatenate([run.series(name) for run in runs for name in LOSS_TITLES])
    values = np.append(losses[~np.isnan(losses)], unigram_lines(runs))
    room = 0.06 * (values.max() - values.min()) or 0.5
    return float(values.min() - room), float(values.max() + 1.6 * room)
