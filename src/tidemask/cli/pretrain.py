"""`tidemask pretrain`: a new run, or the one that exists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tidemask.cli.interrupts import stopping_in_order
from tidemask.cli.options import CorpusArgument, OverridesArgument, RecipeOption
from tidemask.cli.trained_run import train_and_show


def pretrain_command(
    corpus: CorpusArgument,
    out: Annotated[Path, typer.Option("--out", help="Run directory to be made.")],
    recipe: RecipeOption = "bert",
    on_existing: Annotated[
        Literal["never", "auto"],
        typer.Option(
            "--resume",
            help="auto continues the run in --out if it was started with the same settings, so "
            "that a scheduler may submit one command again and again.",
        ),
    ] = "never",
    settings: OverridesArgument = None,
) -> None:
    """Pre-train a model on a prepared corpus under a masking recipe.

    SIGTERM, SIGUSR1 and Ctrl-C save a checkpoint and end it; `tidemask resume` continues.
    """
    with stopping_in_order(out) as stop_request:
        from tidemask.runs.config import load_recipe
        from tidemask.runs.creation import new_or_same_run, new_run

        planned = load_recipe(recipe, settings or [])
        if on_existing == "never":
            is_finished = False
            new_run(planned, corpus, out)
        else:
            is_finished = new_or_same_run(planned, corpus, out)
        train_and_show(out, stop_request, is_finished=is_finished)
