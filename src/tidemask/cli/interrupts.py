"""Ctrl-C and the signals of schedulers: how they end a command, and what it prints then."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tidemask.cli.terminal import print_error, print_note
from tidemask.processes import is_first_rank, is_launched

if TYPE_CHECKING:
    from tidemask.training.signals import StopRequest


@contextmanager
def interruptible(continuation: str) -> Iterator[None]:
    """Let Ctrl-C end a command with one line and status 130; what is saved is kept."""
    try:
        yield
    except KeyboardInterrupt:
        print_error(f"interrupted. Continue with `{continuation}`.")
        raise typer.Exit(130) from None


@contextmanager
def stopping_at_signals(directory: Path) -> Iterator[StopRequest]:
    """Receive the signals that ask a training to stop; once it has, show what is saved and exit."""
    from tidemask.training.signals import Interrupted, StopRequest

    stop_request = StopRequest()
    with interruptible(f"tidemask resume {directory}"):
        try:
            with stop_request.listening():
                yield stop_request
        except Interrupted as stop:
            leave_launched()
            if is_first_rank():
                print_note(f"Stopped by {stop.by.name}: {_saved(directory)}")
            raise typer.Exit(stop.status) from None


def _saved(directory: Path) -> str:
    from tidemask.run_record import RunDirectory

    run = RunDirectory(directory.expanduser())
    if not run.config.is_file():
        return "the run had not begun. Give the command again."
    saved = run.checkpoints()
    what = f"{saved[-1][1].name} is saved" if saved else "no step was done yet"
    return f"{what}. Continue with `tidemask resume {directory}`."


@contextmanager
def stopping_at_sigterm(what_is_kept: str) -> Iterator[None]:
    """Let SIGTERM, which schedulers send, end a command with one line and status 143."""

    def leave(*_: object) -> None:
        print_error(f"ended by SIGTERM. {what_is_kept}")
        sys.exit(143)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def leave_launched() -> None:
    """Leave the group of processes that a launcher started, if there is one."""
    if is_launched():
        from tidemask.training.distributed import leave_launched_processes

        leave_launched_processes()
