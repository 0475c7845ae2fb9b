"""`tidemask recipes`: the shipped recipes."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemask.cli.tables import print_table
from tidemask.cli.terminal import print_line, stdout
from tidemask.files.paths import given_path

_YAML_WIDTH = 100
"""Characters of a line in a file; a terminal has its own width."""
_LONG_WORD = 12


def recipes_command(
    name: Annotated[
        str | None, typer.Argument(help="The recipe to show; a YAML file of your own, too.")
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot",
            metavar="PATH",
            help="Draw the ratio over the run, into a .png or .svg file.",
        ),
    ] = None,
) -> None:
    """List the shipped recipes, show one with its source, or draw their ratio curves."""
    from tidemask.masking.schedule import mean_ratio
    from tidemask.runs.config import load_recipe, recipe_names, to_yaml

    if plot is not None:
        from tidemask.cli.recipe_figure import draw_recipes

        figure = given_path(plot, "--plot")
        draw_recipes(recipe_names() if name is None else [name], figure)
        print_line(f"Figure: {plot}")
        return
    if name is not None:
        room = stdout.width - _LONG_WORD  # a line ends behind the word that reaches its width
        width = min(_YAML_WIDTH, room) if stdout.is_terminal else _YAML_WIDTH
        stdout.out(to_yaml(load_recipe(name), width=width), end="", highlight=False)
        return
    rows = []
    for known in recipe_names():
        recipe = load_recipe(known)
        ratio = recipe.masking.ratio
        numbers = [f"{100 * value:.0f} %" for value in (ratio(0.0), ratio(1.0), mean_ratio(ratio))]
        rows.append([known, recipe.summary, *numbers])
    print_table(["recipe", "what it does", "start", "end", "mean"], rows, text_columns=2)
