"""What a closed loop decided: the chance of each ratio of its grid over the run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from tidemask.report.figures.chart import Chart, Panel
from tidemask.report.figures.curves import CurveEnd, any_known, from_zero, name_ends
from tidemask.report.figures.findings import at_the_end
from tidemask.report.figures.marking import mark
from tidemask.report.figures.palette import INK, MUTED, Colour, run_colour
from tidemask.report.results.compared_run import ComparedRun, Series
from tidemask.run_record import ARM_PROBABILITY

_LEVEL_DASHES = (0, (3.5, 2.5))


def ratio_choice_chart(runs: Sequence[ComparedRun]) -> Chart | None:
    """The chance of each ratio against step, one panel per run; `None` where no run chose one."""
    chosen = [(run, chances) for run in runs if (chances := chances_of(run))]
    if not chosen:
        return None
    return Chart(
        name="ratio_choice",
        title="What the closed loop decided: the chance of each masking ratio",
        caption=(
            "Each block of steps draws its ratio with these chances, which follow what the earlier "
            "blocks gained. The dashed line is where all begin, the same chance for each. The "
            "figure above has the ratios that were drawn; of several seeds this is the mean."
        ),
        panels=[_panel(run, chances) for run, chances in chosen],
        columns=2,
        size=(4.6, 3.1),
        right=0.72,
    )


def chances_of(run: ComparedRun) -> dict[float, Series]:
    """The chance of each ratio at every logged step, by the ratio, ascending; empty without any."""
    found = {
        float(name): run.series(ARM_PROBABILITY + name) for name in run.classes(ARM_PROBABILITY)
    }
    return {ratio: found[ratio] for ratio in sorted(found) if any_known(found[ratio])}


def _panel(run: ComparedRun, chances: dict[float, Series]) -> Panel:
    ends = at_the_end({f"{ratio:g}": values for ratio, values in chances.items()})
    listed = ", ".join(f"{ratio} {chance:.2f}" for ratio, chance in ends.items())
    return Panel(
        title=run.label,
        x_label="step",
        y_label="chance of the ratio",
        draw=partial(_draw, run=run, chances=chances),
        swatch=run_colour(run.index),
        alternative=f"{run.label}: the chance of each masking ratio at the end: {listed}.",
    )


def _draw(axes: Axes, run: ComparedRun, chances: dict[float, Series]) -> None:
    """Curves from light to heavy as the ratio rises, each with its ratio at the end."""
    from_zero(axes, run.max_steps or run.last_step)
    axes.set_ylim(0, 1.06 * max(float(np.nanmax(values)) for values in chances.values()))
    axes.axhline(1 / len(chances), color=MUTED.light, linewidth=1.0, linestyle=_LEVEL_DASHES)
    ends = []
    for place, (ratio, values) in enumerate(chances.items()):
        known = ~np.isnan(values)
        colour = _colour(place, len(chances))
        width = 0.8 + 1.6 * place / max(1, len(chances) - 1)
        x, y = run.steps[known], values[known]
        (curve,) = axes.plot(x, y, color=colour.light, linewidth=width)
        mark(curve, "curve", words=f"{ratio:g}")
        ends.append(CurveEnd(f"{ratio:g}", float(x[-1]), float(y[-1]), colour))
    name_ends(axes, ends)


def _colour(place: int, num_ratios: int) -> Colour:
    """Of the lower half of the grid muted, of the upper half ink: names tell them apart."""
    return MUTED if 2 * place < num_ratios else INK
