"""What `tidemask pretrain` and `tidemask resume` share: a training that is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tidemask.cli.held_out_table import show_start_and_final
from tidemask.cli.interrupts import leave_launched
from tidemask.cli.terminal import progress_display, stderr, stdout
from tidemask.processes import is_first_rank

if TYPE_CHECKING:
    from tidemask.training.signals import StopRequest


def train_and_show(
    directory: Path, stop_request: StopRequest, *, is_finished: bool = False
) -> None:
    """Train a run to its end, show progress, and its held-out losses at the end.

    Every rank calls it; the first one shows.

    Args:
        directory: of the run.
        stop_request: says when to stop.
        is_finished: there is nothing to train; say so.
    """
    from tidemask.run_record import RunDirectory
    from tidemask.runs.callbacks import RunCallbacks
    from tidemask.runs.displayed_metrics import display_records
    from tidemask.runs.train import train

    run = RunDirectory(directory)
    if not is_first_rank():
        if not is_finished:
            train(run, stop_request=stop_request)
        leave_launched()
        return
    if is_finished:
        stderr.print(f"Run is finished: {directory}. Nothing is left to do.", soft_wrap=True)
    else:
        with progress_display() as display:
            callbacks = RunCallbacks(
                on_progress=display.on_progress,
                on_record=display_records(display),
                on_note=display.on_note,
            )
            train(run, callbacks, stop_request)
    leave_launched()
    show_start_and_final(run)
    stdout.print(f"Model: {run.model}", soft_wrap=True)
