"""`tidemask pretrain`: a new run, or the one that exists."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tidemask.cli.interrupts import leave_launched, stopping_at_signals
from tidemask.cli.options import CorpusArgument, OverridesArgument, RecipeOption
from tidemask.cli.terminal import progress_display
from tidemask.cli.trained_run import show_trained_run
from tidemask.files.paths import given_path


def pretrain_command(
    corpus: CorpusArgument,
    out: Annotated[str, typer.Option("--out", metavar="PATH", help="Run directory to be made.")],
    recipe: RecipeOption = "bert",
    resume: Annotated[
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

    SIGTERM, SIGHUP, SIGUSR1 and Ctrl-C save a checkpoint and end it; `tidemask resume` continues.
    """
    place = given_path(out, "--out")
    with stopping_at_signals(place) as stop_request, progress_display() as display:
        from tidemask.runs.pretraining import pretrain

        run = pretrain(
            corpus,
            out=place,
            recipe=recipe,
            overrides=settings or [],
            resume=resume,
            progress=display,
            stop_request=stop_request,
        )
        leave_launched()
    show_trained_run(run.directory)
