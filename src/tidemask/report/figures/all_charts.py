"""Every chart of a comparison in its order, and those of the ratio and of the costs.

Held-out losses are drawn in `held_out` and `final_losses`, downstream scores in `downstream`,
classes of tokens in `class_shares` and `class_curves`. Training losses are drawn nowhere: at
different ratios they are not comparable.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from tidemask.report.figures.by_step import by_step_chart
from tidemask.report.figures.chart import Chart, LegendEntry, Panel
from tidemask.report.figures.class_curves import class_loss_chart
from tidemask.report.figures.class_shares import group_share_chart, relative_share_chart
from tidemask.report.figures.class_statistics import statistic_charts
from tidemask.report.figures.curves import (
    any_known,
    draw_curve,
    from_zero,
    highest,
    run_legend,
    scale_of,
    with_unit,
)
from tidemask.report.figures.downstream import downstream_charts, task_charts
from tidemask.report.figures.final_losses import final_chart
from tidemask.report.figures.findings import at_the_end, ranked, ratio_in_words
from tidemask.report.figures.forest import forest_chart
from tidemask.report.figures.held_out import held_out_charts, held_out_figure
from tidemask.report.figures.marking import mark
from tidemask.report.figures.palette import INK, MUTED, run_colour
from tidemask.report.figures.ratio_choices import ratio_choice_chart
from tidemask.report.results.answers import Answer
from tidemask.report.results.arms import ComparedArm
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.terms import why_no_times
from tidemask.run_record import (
    CLASS_LOSS,
    CLASS_SHARE,
    PREDICTED_TOKENS,
    RATIO,
    REALISED_RATIO,
    TOKENS_PER_SECOND,
    WALL_SECONDS,
)
from tidemask.token_classes import UPOS

ChartGroups = dict[str, list[Chart]]
"""Charts by the section of the page they belong to."""


def chart_groups(arms: Sequence[ComparedArm], answers: Sequence[Answer] = ()) -> ChartGroups:
    """Every chart of a comparison, by section of the page; nothing grows with the seeds."""
    means = [arm.mean for arm in arms]
    found = forest_chart(answers), by_step_chart(answers)
    return {
        "answer": [chart for chart in found if chart is not None],
        "scores": [final_chart(arms)],
        "downstream": downstream_charts(means),
        "held_out": [held_out_figure(arms)],
        "ratio": ratio_charts(means),
        "cost": [cost_chart(means, why_no_times(arms))],
        "classes": class_charts(means),
    }


def file_charts(arms: Sequence[ComparedArm], groups: ChartGroups) -> list[Chart]:
    """The charts that become files: those of the page, and those that it shows only in part."""
    on_page = [chart for name, group in groups.items() if name != "held_out" for chart in group]
    return on_page + held_out_charts(arms) + task_charts([arm.mean for arm in arms])


def class_charts(runs: Sequence[ComparedRun]) -> list[Chart]:
    """The charts of classes; none if no run logged any."""
    if not any(run.classes(CLASS_LOSS) or run.classes(CLASS_SHARE) for run in runs):
        return []
    charts = [relative_share_chart(runs), class_loss_chart(runs), *statistic_charts(runs)]
    if any(name in UPOS for run in runs for name in run.classes(CLASS_SHARE)):
        charts.insert(0, group_share_chart(runs))
    return charts


def ratio_charts(runs: Sequence[ComparedRun]) -> list[Chart]:
    """The charts of the masking ratio: what it was, and what a closed loop decided."""
    choices = ratio_choice_chart(runs)
    return [ratio_chart(runs)] + ([] if choices is None else [choices])


def ratio_chart(runs: Sequence[ComparedRun]) -> Chart:
    """Scheduled and realised masking ratio against step, one panel per arm, means over seeds."""
    top = highest(runs, RATIO, REALISED_RATIO)
    legend = (
        LegendEntry(label="scheduled", colour=MUTED, width=5.0, opacity=0.35),
        LegendEntry(label="realised, in the arm's colour", colour=INK, width=1.3),
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
        (line,) = axes.plot(run.steps, scheduled, color=MUTED.light, linewidth=5.0, alpha=0.35)
        mark(line, "curve", words="scheduled")
        (line,) = axes.plot(run.steps, realised, color=run_colour(run.index).light, linewidth=1.3)
        mark(line, "curve", words="realised")
        from_zero(axes, run.max_steps or run.last_step)
        axes.set_ylim(0, top * 1.08)

    return Panel(
        title=run.label,
        x_label="step",
        y_label="share of the maskable tokens",
        draw=draw,
        swatch=run_colour(run.index),
        missing=None if any_known(scheduled, realised) else "No masking ratio was logged.",
        alternative=ratio_in_words(run),
    )


def cost_chart(runs: Sequence[ComparedRun], no_times: str | None = None) -> Chart:
    """Predicted tokens, training time and speed against step.

    Args:
        runs: means of the arms.
        no_times: why times are not shown.
    """
    return Chart(
        name="cost",
        title="What the runs cost",
        caption=(
            "Predicted tokens are the masked positions on which the loss was computed: a schedule "
            "with another mean ratio predicts another number of them in as many steps. Training "
            "time leaves out evaluation."
        ),
        panels=[
            _cost_panel(runs, PREDICTED_TOKENS, "Predicted tokens", "tokens", None),
            _cost_panel(runs, WALL_SECONDS, "Training time", "", no_times),
            _cost_panel(runs, TOKENS_PER_SECOND, "Speed", "tokens per second", no_times),
        ],
        legend=run_legend(runs),
    )


def _cost_panel(
    runs: Sequence[ComparedRun], name: str, title: str, what: str, hidden: str | None
) -> Panel:
    scale = scale_of(runs, name)
    y_label = with_unit(what, scale) if what else scale[0]
    ends = at_the_end({run.label: run.series(name) / scale[1] for run in runs})

    def draw(axes: Axes) -> None:
        for run in runs:
            draw_curve(axes, run, run.steps, run.series(name) / scale[1], marked=True)
        from_zero(axes, max(run.last_step for run in runs))
        axes.set_ylim(0, highest(runs, name) / scale[1] * 1.06 or 1)

    return Panel(
        title=title,
        x_label="step",
        y_label=y_label,
        draw=draw,
        missing=hidden if highest(runs, name) > 0 else "Not logged by any of the runs.",
        alternative=f"{title} at the end, {ranked(ends, digits=2, unit=y_label)}." if ends else "",
    )
