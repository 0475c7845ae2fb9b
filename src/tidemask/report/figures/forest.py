"""The forest plot: how far each arm is from the baseline, seed by seed, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from tidemask.report.figures.chart import Chart, Panel, even_digits
from tidemask.report.figures.curves import text_above
from tidemask.report.figures.marking import mark
from tidemask.report.figures.palette import AXIS, GRID, INK, MUTED, run_colour, run_marker
from tidemask.report.results.answers import Answer
from tidemask.statistics import ArmComparison, Estimate


def forest_chart(answers: Sequence[Answer]) -> Chart | None:
    """A panel for each corpus; `None` where no arm is compared."""
    compared = [answer for answer in answers if answer.found is not None and answer.found.arms]
    if not compared:
        return None
    most = max(len(answer.arms) - 1 for answer in compared)
    return Chart(
        name="difference",
        title="Difference to the baseline",
        caption=_caption(compared),
        panels=[
            Panel(
                title=f"{answer.measure.title}, less that of {answer.baseline}",
                x_label=f"{answer.measure.unit}; {answer.measure.direction} is better",
                y_label="each dot is a seed",
                draw=partial(_draw, answer),
                alternative=" ".join(answer.sentences),
            )
            for answer in compared
        ],
        columns=1,
        size=(4.3, 1.15 + 0.42 * most),
    )


def _caption(answers: Sequence[Answer]) -> str:
    words = "The large mark is the mean, the bar its 95 % interval; the line at 0 is the baseline."
    found = [one for answer in answers if answer.found for one in answer.found.arms]
    if any(answer.found and answer.found.rules.margin for answer in answers):
        words += " Within the band differences do not matter: the margin."
    if any(_deciding(one) is None for one in found):
        words += " Where there is no bar, so few seeds support no interval."
    return words


def _deciding(one: ArmComparison) -> Estimate | None:
    return one.items.estimate if one.items else one.difference.estimate


def _draw(answer: Answer, axes: Axes) -> None:
    """A row for each arm, the best first: name and numbers above, dots and interval on it."""
    assert answer.found is not None
    rows = answer.compared
    if (margin := answer.found.rules.margin) is not None:
        axes.axvspan(-margin, margin, color=GRID.light, linewidth=0, zorder=0)
    axes.axvline(0.0, color=INK.light, linewidth=1.0, zorder=1)
    places = {arm.name: arm.index for arm in answer.arms}
    for place, one in enumerate(rows):
        _draw_arm(axes, one, place, places[one.arm])
    axes.set_ylim(len(rows) - 0.55, -0.8)
    axes.yaxis.set_major_locator(NullLocator())
    axes.xaxis.set_major_formatter(even_digits())
    axes.grid(visible=True, axis="x")
    axes.margins(x=0.08)


def _draw_arm(axes: Axes, one: ArmComparison, place: int, index: int) -> None:
    colour, marker = run_colour(index).light, run_marker(index)
    estimate = _deciding(one)
    words = f"{one.arm}: {_signed(one.difference.mean)}"
    text_above(axes, place, f"{one.arm}  {_signed(one.difference.mean)}", at_left=True, points=7)
    axes.axhline(place, color=GRID.light, linewidth=0.6, zorder=0)
    if estimate is not None:
        ends = [estimate.low, estimate.high]
        words += f" (95 % interval {_signed(estimate.low)} to {_signed(estimate.high)})"
        (bar,) = axes.plot(ends, [place, place], color=colour, linewidth=2.4)
        bar.set_solid_capstyle("butt")
        mark(bar, "band", arm=index, words=words)
    for seed, difference in one.difference.by_seed.items():
        (dot,) = axes.plot(difference, place + 0.22, "o", color=MUTED.light, markersize=3.0)
        dot.set(markerfacecolor="none", markeredgewidth=0.8)
        mark(dot, "point", arm=index, words=f"{one.arm}, seed {seed}: {_signed(difference)}")
    (mean,) = axes.plot(one.difference.mean, place, color=colour, marker=marker, markersize=7)
    mean.set(markeredgecolor=AXIS.light, markeredgewidth=0.4)
    mark(mean, "point", arm=index, words=words)


def _signed(number: float) -> str:
    return f"{number:+.4f}".replace("-", "−")
