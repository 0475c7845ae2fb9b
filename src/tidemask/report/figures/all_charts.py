"""Every chart of a comparison in its order, and those of the ratio and of the costs.

Held-out losses are drawn in `held_out`, downstream scores in `downstream`, classes of tokens in
`class_charts`. Training losses are drawn nowhere: at different ratios they are not comparable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from tidemask.report.figures.chart import Chart, LegendEntry, Panel
from tidemask.report.figures.class_charts import class_charts
from tidemask.report.figures.curves import (
    any_known,
    draw_curve,
    from_zero,
    highest,
    run_legend,
    scale_of,
    with_unit,
)
from tidemask.report.figures.downstream import downstream_charts
from tidemask.report.figures.held_out import final_chart, held_out_charts
from tidemask.report.figures.palette import INK, MUTED, run_colour
from tidemask.report.results.compared_run import ComparedRun
from tidemask.run_record import (
    PREDICTED_TOKENS,
    RATIO,
    REALISED_RATIO,
    TOKENS_PER_SECOND,
    WALL_SECONDS,
)

ChartGroups = dict[str, list[Chart]]
"""Charts by the section of the page they belong to."""


def chart_groups(runs: Sequence[ComparedRun]) -> ChartGroups:
    """Every chart of a comparison, by section of the page."""
    return {
        "scores": [final_chart(runs)],
        "downstream": downstream_charts(runs),
        "held_out": held_out_charts(runs),
        "ratio": [ratio_chart(runs)],
        "cost": [cost_chart(runs)],
        "classes": class_charts(runs),
    }


def ratio_chart(runs: Sequence[ComparedRun]) -> Chart:
    """Scheduled and realised masking ratio against step, one panel per run."""
    top = highest(runs, RATIO, REALISED_RATIO)
    legend = (
        LegendEntry(label="scheduled", colour=MUTED, width=5.0, opacity=0.35),
        LegendEntry(label="realised, in the run's colour", colour=INK, width=1.3),
    )
    return Chart(
        name="ratio",
        title="Masking ratio, scheduled and realised",
        caption=(
            "Share of the maskable tokens that were masked, each point the mean of one logged "
            "window. The realised ratio scatters around the scheduled one and must not keep to "
            "one side of it; the table of scores gives the mean difference."
        ),
        panels=[_ratio_panel(run, top) for run in runs],
        legend=legend,
        columns=4,
        size=(2.9, 2.4),
    )


def _ratio_panel(run: ComparedRun, top: float) -> Panel:
    scheduled, realised = run.series(RATIO), run.series(REALISED_RATIO)

    def draw(axes: Axes) -> None:
        axes.plot(run.steps, scheduled, color=MUTED.light, linewidth=5.0, alpha=0.35)
        axes.plot(run.steps, realised, color=run_colour(run.index).light, linewidth=1.3)
        from_zero(axes, run.max_steps or run.last_step)
        axes.set_ylim(0, top * 1.08)

    return Panel(
        title=run.label,
        x_label="step",
        y_label="share of the maskable tokens",
        draw=draw,
        swatch=run_colour(run.index),
        missing=None if any_known(scheduled, realised) else "No masking ratio was logged.",
    )


def cost_chart(runs: Sequence[ComparedRun]) -> Chart:
    """Predicted tokens, training time and speed against step."""
    return Chart(
        name="cost",
        title="What the runs cost",
        caption=(
            "Predicted tokens are the masked positions on which the loss was computed: a schedule "
            "with another mean ratio predicts another number of them in as many steps. Training "
            "time leaves out evaluation and depends on what else the machine did. Where two runs "
            "coincide, the later one is dashed."
        ),
        panels=[
            _cost_panel(runs, PREDICTED_TOKENS, "Predicted tokens", "tokens"),
            _cost_panel(runs, WALL_SECONDS, "Training time", ""),
            _cost_panel(runs, TOKENS_PER_SECOND, "Speed", "tokens per second"),
        ],
        legend=run_legend(runs),
    )


def _cost_panel(runs: Sequence[ComparedRun], name: str, title: str, what: str) -> Panel:
    scale = scale_of(runs, name)

    def draw(axes: Axes) -> None:
        for place, run in enumerate(runs):
            hidden = any(_coincide(run, other, name) for other in runs[:place])
            values = run.series(name) / scale[1]
            draw_curve(axes, run, run.steps, values, marked=False, gaps=hidden)
        from_zero(axes, max(run.last_step for run in runs))
        axes.set_ylim(0, highest(runs, name) / scale[1] * 1.06 or 1)

    return Panel(
        title=title,
        x_label="step",
        y_label=with_unit(what, scale) if what else scale[0],
        draw=draw,
        missing=None if highest(runs, name) > 0 else "Not logged by any of the runs.",
    )


def _coincide(run: ComparedRun, other: ComparedRun, name: str) -> bool:
    """Whether the curves of two runs would hide each other: within 2 % of the highest value."""
    if not np.array_equal(run.steps, other.steps):
        return False
    apart = np.abs(run.series(name) - other.series(name))
    return any_known(apart) and bool(np.nanmax(apart) < 0.02 * highest([run, other], name))
