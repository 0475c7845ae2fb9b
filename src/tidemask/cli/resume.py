"""`tidemask resume`: an interrupted run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidemask.cli.interrupts import stopping_in_order
from tidemask.cli.trained_run import train_and_show


def resume_command(
    run: Annotated[Path, typer.Argument(help="A run that was interrupted.")],
) -> None:
    """Continue an interrupted run from its last checkpoint, as if it had never stopped."""
    from tidemask.run_record import RunDirectory

    RunDirectory(run).read_config()
    with stopping_in_order(run) as stop_request:
        train_and_show(run, stop_request)
