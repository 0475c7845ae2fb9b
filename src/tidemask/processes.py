"""How a process is started beside others and how it ends, and the memory that it keeps.

A process that a launcher started ends before the interpreter's own finalisation. Threads of C++
outlive the group: the device mesh of FSDP2 keeps those of gloo alive after `destroy_process_group`.
If one frees a tensor while the interpreter is finalised, it asks for the interpreter's lock. Python
up to 3.13 ends such a thread by unwinding its stack, C++ does not allow that there, and a process
whose work is done aborts with "terminate called without an active exception"
(https://github.com/pytorch/pytorch/issues/190489). So these processes leave by `os._exit`, after
what may still count: threads of Python are joined, exit handlers have run, what was printed is
flushed.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK_BYTES = 1 << 30
_kept_below_bytes = 0

_SETTINGS_OF_GLIBC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
"""Environment variables by which a user chooses the thresholds; `mallopt` would override them."""


STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    if name in signal.Signals.__members__
)
"""Signals that ask a command to stop; Windows has the first two alone."""


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def max_workers() -> int:
    """Processes that may be asked for here, with room to spare for those that wait.

    A thousand times as many as there are cores do no more work, and a machine that has them all at
    once in its memory stands still.
    """
    return max(16, 4 * available_cores())


def is_launched() -> bool:
    """Whether a launcher (torchrun, `accelerate launch`) started this process beside others."""
    return (_number("WORLD_SIZE") or 1) > 1


def launch_problem(*, joins: bool) -> str | None:
    """What is wrong with the variables by which a launcher says which process this is, if anything.

    Args:
        joins: whether this process joins the others, which takes all of them.
    """
    for name in _PLACE:
        if name in os.environ and _number(name) is None:
            return (
                f"not a number in the environment: {name}={os.environ[name]!r}. Expected a whole "
                "number, as torchrun sets it. Correct it, or unset it."
            )
    size, rank = _number("WORLD_SIZE"), _number("RANK") or 0
    if not joins or not any(name in os.environ for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")):
        return None
    needed = ("WORLD_SIZE",) if size in (None, 1) else (*_PLACE, "MASTER_ADDR")
    missing = [name for name in needed if not os.environ.get(name)]
    if missing:
        found = [f"{n}={os.environ[n]}" for n in (*_PLACE, "MASTER_ADDR") if os.environ.get(n)]
        return (
            f"incomplete launch environment: {', '.join(found)} without {', '.join(missing)}. "
            "Start the processes with torchrun, which sets them all; for one process unset "
            "WORLD_SIZE, RANK and LOCAL_RANK."
        )
    port, local = _number("MASTER_PORT"), _number("LOCAL_RANK") or 0
    for name, value, bounds in (
        ("WORLD_SIZE", size, range(1, 2**31)),
        ("RANK", rank, range(size or 1)),
        ("LOCAL_RANK", local, range(size or 1)),
        ("MASTER_PORT", port, range(1, 2**16)),
    ):
        if value is not None and value not in bounds:
            return (
                f"outside its range in the environment: {name}={value}. Expected "
                f"{bounds[0]} to {bounds[-1]}. Start the processes with torchrun."
            )
    return None


_PLACE = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT")
"""Variables of a launcher that are numbers."""


def _number(name: str) -> int | None:
    """A variable of the environment; `None` if it is not there, or not a whole number."""
    try:
        return int(os.environ[name])
    except (KeyError, ValueError):
        return None


@contextmanager
def without_stop_signals() -> Iterator[None]:
    """Let programs that are started in the block, and what these start, not get `STOP_SIGNALS`.

    They inherit which signals are blocked. Those that come to this thread meanwhile come later.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_first_rank() -> bool:
    """Whether this is the first of the processes of a launcher, or the only one there is."""
    return not is_launched() or (_number("RANK") or 0) == 0


@contextmanager
def ending_early() -> Iterator[None]:
    """Let this process, if it is launched, end without the interpreter's finalisation.

    What is inside is the whole program: its exception or `sys.exit` decides the status as ever, and
    tracebacks are shown. Enter it before libraries are imported: the exit handlers that they
    register run before this one, which is the last.
    """
    if not is_launched():
        yield
        return
    end = _End()
    atexit.register(end.leave)
    try:
        yield
    except SystemExit as exit_:
        end.status = _status_of(exit_)
        raise
    except KeyboardInterrupt:
        end.status = 130
        raise
    end.status = 0


class _End:
    """Leaves with a status.

    Attributes:
        status: of the process; that of an error with a traceback until another is known.
    """

    def __init__(self) -> None:
        self.status = 1

    def leave(self) -> None:
        """Flush what was printed and leave; a stream that takes no more is 120, as in Python."""
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None and not stream.closed:
                    stream.flush()
            except OSError:
                self.status = 120
        os._exit(self.status)


def _status_of(exit_: SystemExit) -> int:
    """What Python makes of the argument of `sys.exit`."""
    if exit_.code is None:
        return 0
    return exit_.code if isinstance(exit_.code, int) else 1


def keep_freed_memory(below_bytes: int = _LARGEST_BLOCK_BYTES) -> None:
    """Let the C library reuse freed blocks below a size, for the rest of the process.

    It does nothing where the C library is not glibc, or the environment sets its thresholds.

    glibc maps every block of 32 MB or more for itself, smaller ones too in a fresh process, and
    hands them back when they are freed. A training step or a masker frees and takes the same large
    blocks again and again, and faulting them in each time takes a noticeable part of its time.

    Args:
        below_bytes: at most a gigabyte; a smaller number than in an earlier call changes nothing.
    """
    global _kept_below_bytes  # of the C library, so of the process
    if not sys.platform.startswith("linux") or below_bytes <= _kept_below_bytes:
        return
    if any(name in os.environ for name in _SETTINGS_OF_GLIBC):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, below_bytes)
        mallopt(_M_TRIM_THRESHOLD, 2 * below_bytes - 1)
    _kept_below_bytes = below_bytes
