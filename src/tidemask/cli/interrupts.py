"""Ctrl-C and the signals of schedulers: how they end a command, and what it prints then."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import typer

from tidemask.cli.terminal import print_error, print_note
from tidemask.errors import command_line
from tidemask.presses import Presses
from tidemask.processes import STOP_SIGNALS, is_first_rank, is_launched

if TYPE_CHECKING:
    from tidemask.run_record import RunDirectory
    from tidemask.training.signals import StopRequest


class _Terminated(BaseException):
    """A signal other than Ctrl-C came; what is under way cleans up, as after Ctrl-C."""


@contextmanager
def ending_in_order(what_is_kept: str) -> Iterator[None]:
    """Let `STOP_SIGNALS` end a command with one line, status 128 + signal, and nothing half done.

    A second Ctrl-C ends it at once, also within an operation that takes long. An error after a
    signal is taken for its consequence, such as of a process that died of it: Python drops what a
    handler raises where it interrupts a finaliser.
    """
    interrupted = f"interrupted. {what_is_kept}"
    presses = Presses(lambda: _leave_at_once(interrupted))
    received: list[signal.Signals] = []

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        presses.note(number)
        received.append(signal.SIGINT)
        raise KeyboardInterrupt

    def terminate(number: int, _frame: FrameType | None) -> NoReturn:
        received.append(signal.Signals(number))
        raise _Terminated(number)

    before = {}
    try:
        with presses.counted():
            for number in STOP_SIGNALS:
                handler = interrupt if number is signal.SIGINT else terminate
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, handler)
            yield
    except BaseException as error:
        if not received and not isinstance(error, KeyboardInterrupt):
            raise
        by = received[-1] if received else signal.SIGINT
        ended = f"ended by {by.name}. {what_is_kept}"
        print_error(interrupted if by is signal.SIGINT else ended)
        raise typer.Exit(128 + by) from None
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def stopping_at_signals(directory: Path) -> Iterator[StopRequest]:
    """Receive the signals that ask a training to stop; once it has, show what is saved and exit."""
    from tidemask.run_record import RunDirectory
    from tidemask.training.signals import Interrupted, StopRequest

    run = RunDirectory(directory.expanduser())

    def stopped_by(number: signal.Signals) -> str:
        return f"Stopped by {number.name}: {_saved(run, directory)}"

    def leave_at_once(number: signal.Signals) -> NoReturn:
        _leave_at_once(stopped_by(number), Interrupted(number).status)

    stop_request = StopRequest()
    interrupted = f"interrupted. Continue with `{command_line('resume', directory)}`."
    try:
        with stop_request.listening(lambda: _leave_at_once(interrupted), leave_at_once):
            try:
                yield stop_request
            except Interrupted as stop:
                if stop.is_agreed:
                    leave_launched()
                raise
    except KeyboardInterrupt:
        print_error(interrupted)
        raise typer.Exit(130) from None
    except Interrupted as stop:
        if is_first_rank() or not stop.is_agreed:
            print_note(stopped_by(stop.by))
        raise typer.Exit(stop.status) from None


@contextmanager
def stopping_study_at_signals() -> Iterator[StopRequest]:
    """Receive the signals that ask a study to stop; once its runs have, say so and exit."""
    from tidemask.training.signals import Interrupted, StopRequest

    again = "Give the command again to continue."
    at_once = f"interrupted. The runs save their state. {again}"
    stop_request = StopRequest()
    try:
        with stop_request.listening(lambda: _leave_at_once(at_once)):
            yield stop_request
    except KeyboardInterrupt:
        print_error(at_once)
        raise typer.Exit(130) from None
    except Interrupted as stop:
        print_note(f"Stopped by {stop.by.name}: every run has saved its state. {again}")
        raise typer.Exit(stop.status) from None


def _leave_at_once(line: str, status: int = 130) -> NoReturn:
    """Leave from a thread, while the main one is in an operation that cannot be interrupted."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # the progress line hides the cursor
    print_error(line)
    sys.stderr.flush()
    os._exit(status)


def _saved(run: RunDirectory, directory: Path) -> str:
    if run.model.exists():
        return "the run is finished."
    if not run.config.is_file():
        return "the run had not begun. Give the command again."
    saved = run.checkpoints()
    what = f"{saved[-1][1].name} is saved" if saved else "no step was done yet"
    return f"{what}. Continue with `{command_line('resume', directory)}`."


def leave_launched() -> None:
    """Leave the group of processes that a launcher started, if there is one."""
    if is_launched():
        from tidemask.training.distributed import leave_launched_processes

        leave_launched_processes()
