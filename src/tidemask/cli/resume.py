"""`tidemask resume`: an interrupted run is continued, and a finished one gets more steps."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemask.cli.interrupts import leave_launched, stopping_at_signals
from tidemask.cli.terminal import progress_display
from tidemask.cli.trained_run import show_trained_run
from tidemask.files.paths import given_path
from tidemask.run_record import RunDirectory


def resume_command(
    run: Annotated[
        str, typer.Argument(help="A run that was interrupted; or is finished, with a length.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="section.field=value",
            help="A length of the whole run, for more steps of a finished one: "
            "training.max_steps=4000, training.max_epochs=6 or training.max_tokens=2e9.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="Run directory to be made, with a length; RUN-N-steps if left out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Continue an interrupted run from its last checkpoint as if it never stopped.

    With a length a finished run goes on in a new run of so many steps, those that are done
    included, from its last checkpoint. All schedules are those of a run of so many steps.
    """
    place = given_path(run, "run")
    if settings or out is not None:
        from tidemask.runs.more_steps import run_with_more_steps

        beside = None if out is None else given_path(out, "--out")
        with stopping_at_signals(place):
            place = run_with_more_steps(RunDirectory(place), settings or [], beside).root
    with stopping_at_signals(place) as stop_request, progress_display() as display:
        from tidemask.runs.pretraining import resume

        resumed = resume(place, progress=display, stop_request=stop_request)
        leave_launched()
    show_trained_run(resumed.directory)
