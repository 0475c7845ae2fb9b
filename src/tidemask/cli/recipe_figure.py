"""The ratio curves of recipes as a figure: from configurations to what the report draws."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tidemask.report.figures.ratio_curves import RatioCurve, check_figure_path, write_ratio_curves
from tidemask.runs.config import load_recipe


def draw_recipes(names: Iterable[str], path: Path) -> None:
    """Draw the masking ratio of recipes over a run.

    Args:
        names: of shipped recipes, or paths of YAML files.
        path: of the figure, .png or .svg.

    Raises:
        UserError: no such recipe, or a figure that cannot be written there; nothing is then.
    """
    check_figure_path(path)
    curves = []
    for recipe in map(load_recipe, names):
        masking = recipe.masking
        prediction = None if masking.prediction == "all" else masking.prediction
        around = masking.per_sequence
        band = None if around.distribution == "same" else around.interval
        curves.append(RatioCurve.of(recipe.name, masking.ratio, band=band, prediction=prediction))
    write_ratio_curves(curves, path)
