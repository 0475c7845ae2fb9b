"""`tidemask resume`: an interrupted run is continued."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemask.cli.interrupts import stopping_at_signals
from tidemask.cli.terminal import progress_display
from tidemask.cli.trained_run import show_trained_run
from tidemask.paths import given_path


def resume_command(
    run: Annotated[str, typer.Argument(help="A run that was interrupted.")],
) -> None:
    """Continue an interrupted run from its last checkpoint, as if it had never stopped."""
    place = given_path(run, "run")
    with stopping_at_signals(place) as stop_request, progress_display() as display:
        from tidemask.runs.pretraining import resume

        resumed = resume(place, progress=display, stop_request=stop_request)
    show_trained_run(resumed.directory)
