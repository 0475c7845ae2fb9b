"""What the curves of held-out loss can be switched to on the page: measures, axes, all numbers.

The page's script changes the drawing that `held_out_figure` gives; without it that drawing stands,
and the files of `held_out_charts` have the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tidemask.report.figures.curves import any_known, band_of, short_name
from tidemask.report.figures.findings import losses_in_words
from tidemask.report.figures.held_out import (
    COSTS,
    LOSS_TITLES,
    cost_scale,
    known_costs,
    measured_losses,
    unigram_lines,
)
from tidemask.report.results.arms import ComparedArm
from tidemask.report.results.compared_run import Series
from tidemask.report.results.terms import why_no_times
from tidemask.run_record import WALL_SECONDS


def curve_choices(arms: Sequence[ComparedArm]) -> dict[str, Any]:
    """Axes, measures and every curve, as JSON can hold them.

    Keys: `axes` and `measures` by their names, with what the page says of them; `arms`, each with
    its place `arm`, its `name` and that as it stands beside a curve (`short`), its horizontal
    values `x` by axis, and by measure `y` the means, where it has several seeds followed by the
    lower and upper edges of the band. `None` is not known. Times are an axis only where each run
    had its machine to itself.
    """
    runs = [arm.mean for arm in arms]
    losses, lines = measured_losses(runs), unigram_lines(runs)
    axes = [name for name in known_costs(runs) if any_known(*(run.series(name) for run in runs))]
    if why_no_times(arms) is not None:
        axes = [name for name in axes if name != WALL_SECONDS]
    scales = {name: cost_scale(runs, name) for name in axes}
    return {
        "axes": {
            name: {"title": COSTS[name][0], "label": scales[name][0], "note": COSTS[name][1]}
            for name in axes
        },
        "measures": {
            loss: {
                "title": LOSS_TITLES[loss],
                "alternative": losses_in_words(LOSS_TITLES[loss], runs, loss, lines),
            }
            for loss in losses
        },
        "arms": [
            _numbers(arm, {name: scale[1] for name, (_, scale) in scales.items()}, losses)
            for arm in arms
        ],
    }


def _numbers(arm: ComparedArm, divisors: dict[str, float], losses: Sequence[str]) -> dict[str, Any]:
    """One arm, at the steps at which it measured any of the losses."""
    means = {loss: arm.mean.series(loss) for loss in losses}
    measured = ~np.all([np.isnan(values) for values in means.values()], axis=0)
    curves: dict[str, list[list[float | None]]] = {}
    for loss, values in means.items():
        edges = band_of(arm.series(loss)[:, measured]) if len(arm.drawn) > 1 else ()
        curves[loss] = [_plain(one) for one in (values[measured], *edges)]
    return {
        "arm": arm.index,
        "name": arm.name,
        "short": short_name(arm.name),
        "x": {
            name: _plain(arm.mean.series(name)[measured] / divisor)
            for name, divisor in divisors.items()
        },
        "y": curves,
    }


def _plain(values: Series) -> list[float | None]:
    """Numbers for JSON with seven figures, `None` for NaN."""
    return [None if np.isnan(value) else float(f"{value:.7g}") for value in values]
