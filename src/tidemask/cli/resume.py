"""`tidemask resume`: an interrupted run is continued."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidemask.cli.interrupts import stopping_at_signals
from tidemask.cli.terminal import progress_display
from tidemask.cli.trained_run import show_trained_run


def resume_command(
    run: Annotated[Path, typer.Argument(help="A run that was interrupted.")],
) -> None:
    """Continue an interrupted run from its last checkpoint, as if it had never stopped."""
    with stopping_at_signals(run) as stop_request, progress_display() as display:
        from tidemask.runs.pretraining import resume

        resumed = resume(run, progress=display, stop_request=stop_request)
    show_trained_run(resumed.directory)
