"""The ratio curves of recipes as a figure: from configurations to what the report draws."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tidemask.masking.ratio_bandit import Bandit
from tidemask.masking.schedule import SCHEDULES
from tidemask.report.figures.ratio_curves import PROGRESS, RatioCurve, write_ratio_curves
from tidemask.runs.config import Recipe, load_recipe


def draw_recipes(names: Iterable[str], path: Path) -> None:
    """Draw the masking ratio of recipes over a run, by the schedules they use.

    Args:
        names: of shipped recipes, or paths of YAML files.
        path: of the figure, .png or .svg.

    Raises:
        UserError: no such recipe, or a figure that cannot be written there; nothing is then.
    """
    families = [*SCHEDULES, _PER_SEQUENCE]
    curves = sorted(map(_curve, map(load_recipe, names)), key=lambda c: families.index(c.family))
    write_ratio_curves(curves, path)


_PER_SEQUENCE = "another ratio for each sequence"


def _curve(recipe: Recipe) -> RatioCurve:
    masking, around = recipe.masking, recipe.masking.per_sequence
    ratio = np.array([masking.ratio(s) for s in PROGRESS])
    band = predicted = None
    if around.distribution != "same":
        low, high = np.array([around.interval(r) for r in ratio]).T
        band = low, high
    elif isinstance(masking.ratio, Bandit):
        low, *_, high = (np.full_like(ratio, arm) for arm in masking.ratio.ratios)
        band = low, high
    if masking.prediction != "all":
        predicted = np.minimum(ratio, [masking.prediction(s) for s in PROGRESS])
    family = masking.ratio.schedule if around.distribution == "same" else _PER_SEQUENCE
    return RatioCurve(name=recipe.name, family=family, ratio=ratio, band=band, predicted=predicted)
