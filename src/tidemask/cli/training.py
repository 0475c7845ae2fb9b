"""A training at the command line: signals that stop it in order, and what is shown at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tidemask.cli.held_out_table import show_start_and_final
from tidemask.cli.terminal import print_error, reporting, stderr, stdout
from tidemask.processes import is_first_rank, is_launched

if TYPE_CHECKING:
    from tidemask.training.signals import StopRequest


@contextmanager
def interruptible(continuation: str) -> Iterator[None]:
    """Let Ctrl-C end a command with one line and status 130; what is saved stays."""
    try:
        yield
    except KeyboardInterrupt:
        print_error(f"interrupted. Continue with `{continuation}`.")
        raise typer.Exit(130) from None


@contextmanager
def stopping_in_order(directory: Path) -> Iterator[StopRequest]:
    """Hear the signals that ask a training to stop; when it has, say what is saved, and exit."""
    from tidemask.training.signals import Interrupted, StopRequest

    stop_request = StopRequest()
    with interruptible(f"tidemask resume {directory}"):
        try:
            with stop_request.listening():
                yield stop_request
        except Interrupted as stop:
            _leave_launched()
            if is_first_rank():
                stderr.print(f"Stopped by {stop.by.name}: {_saved(directory)}", soft_wrap=True)
            raise typer.Exit(stop.status) from None


def _saved(directory: Path) -> str:
    from tidemask.run_record import RunDirectory

    run = RunDirectory(directory)
    if not run.config.is_file():
        return "the run had not begun. Give the command again."
    saved = run.checkpoints()
    what = f"{saved[-1][1].name} is saved" if saved else "no step was done yet"
    return f"{what}. Continue with `tidemask resume {directory}`."


def train_and_show(
    directory: Path, stop_request: StopRequest, *, is_finished: bool = False
) -> None:
    """Train a run to its end under the eyes of its user; every rank calls it.

    Args:
        directory: of the run.
        stop_request: says when to stop.
        is_finished: there is nothing to train; say so.
    """
    from tidemask.run_record import RunDirectory
    from tidemask.runs.callbacks import RunCallbacks
    from tidemask.runs.train import train

    run = RunDirectory(directory)
    if not is_first_rank():
        if not is_finished:
            train(run, stop_request=stop_request)
        _leave_launched()
        return
    if is_finished:
        stderr.print(f"Run is finished: {directory}. Nothing is left to do.", soft_wrap=True)
    else:
        with reporting() as reporter:
            callbacks = RunCallbacks(
                on_progress=reporter.on_progress, on_record=reporter.on_record, on_note=reporter.say
            )
            train(run, callbacks, stop_request)
    _leave_launched()
    show_start_and_final(run)
    stdout.print(f"Model: {run.model}", soft_wrap=True)


def _leave_launched() -> None:
    """Part from the processes of a launcher, if there is one."""
    if is_launched():
        from tidemask.training.distributed import leave_launched_processes

        leave_launched_processes()
