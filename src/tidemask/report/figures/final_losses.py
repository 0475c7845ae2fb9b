"""Final held-out losses: every arm with its seeds, or with the error of a single measurement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from tidemask.report.figures.chart import Chart, Panel, even_digits
from tidemask.report.figures.curves import text_above
from tidemask.report.figures.findings import final_in_words, ranked, seeds_of
from tidemask.report.figures.held_out import LOSS_TITLES
from tidemask.report.figures.marking import mark
from tidemask.report.figures.palette import GRID, run_colour, run_marker
from tidemask.report.results.arms import ComparedArm
from tidemask.run_record import MEAN_LOSS


def final_chart(arms: Sequence[ComparedArm]) -> Chart:
    """Final held-out loss of every arm and its seeds, the mean and each masking."""
    runs = [run for arm in arms for run in arm.drawn]
    known = [
        loss for loss in LOSS_TITLES if any(run.held_out.loss(loss) is not None for run in runs)
    ]
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
                title=LOSS_TITLES[loss],
                x_label="nats per token",
                y_label="final held-out loss",
                draw=partial(_draw_final, arms, loss),
                missing=None if known else "No run has a held-out evaluation.",
                alternative=_final_alternative(arms, loss),
            )
            for loss in known or [MEAN_LOSS]
        ],
        notes=[f"{run.label}: not evaluated." for run in runs if run.held_out.checkpoint is None],
        size=(3.3, 1.05 + 0.4 * len(arms)),
    )


def _final_alternative(arms: Sequence[ComparedArm], loss: str) -> str:
    known = {arm.name: arm.mean.held_out.loss(loss) for arm in arms}
    losses = {name: value for name, value in known.items() if value is not None}
    return f"{LOSS_TITLES[loss]}, final, {ranked(losses, unit='nats per token')}."


def _draw_final(arms: Sequence[ComparedArm], name: str, axes: Axes) -> None:
    """One line per arm: its name and mean above, its seeds on it."""
    for place, arm in enumerate(arms):
        mean = arm.mean.held_out.loss(name)
        text_above(axes, place, arm.name, at_left=True, points=6)
        text_above(axes, place, "not evaluated" if mean is None else f"{mean:.3f}", points=6)
        axes.axhline(place, color=GRID.light, linewidth=0.6, zorder=0)
        if mean is None:
            continue
        _draw_final_arm(axes, arm, name, place, mean)
    axes.set_ylim(len(arms) - 0.5, -0.75)
    axes.yaxis.set_major_locator(NullLocator())
    axes.xaxis.set_major_formatter(even_digits())
    axes.grid(visible=True, axis="x")
    axes.margins(x=0.12)


def _draw_final_arm(axes: Axes, arm: ComparedArm, name: str, place: int, mean: float) -> None:
    """The mean of an arm, and its seeds or, with one of them, the error of the measurement."""
    colour, marker = run_colour(arm.index).light, run_marker(arm.index)
    (point,) = axes.plot(mean, place, marker, color=colour, markersize=6.5, zorder=3)
    words = f"{arm.name}: {final_in_words(arm, name)}"
    mark(point, "point", arm=arm.index, words=words)
    if len(arm.drawn) == 1:
        error = arm.mean.held_out.standard_error(name) or 0.0
        bar = axes.hlines(place, mean - error, mean + error, color=colour, linewidth=1.5)
        mark(bar, "band", arm=arm.index)
        return
    seeds = seeds_of(arm, name)
    (dots,) = axes.plot(seeds, [place] * len(seeds), "o", color=colour, markersize=3.2, alpha=0.6)
    mark(dots, "band", arm=arm.index)
