"""Whether the process that works on a run lives: by its lock, else by how it touches its file.

A lock says more than a time, but that of another machine may be unseen here, and some file systems
have none. There the time of the file counts, which the process sets every few seconds. The clock
that set it need not agree with this one: a time that is old, or still to come, is looked at until
it moves or has stood still for several beats.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.locks import try_lock

_BEAT_SECONDS = 5.0
_WATCHED_BEATS = 3
_SILENT_SECONDS = 60.0
"""After which a process is taken for dead where its lock would not be seen."""
_SKEW_SECONDS = 86_400.0
"""By which clocks may differ; a process whose file is older by far is dead without another look."""
_LOOK_SECONDS = 0.1


@contextmanager
def beating(beat: Callable[[], None], seconds: float | None = None) -> Iterator[None]:
    """Call a function every few seconds while the block lasts; where it fails, it is called again.

    Args:
        beat: shows that this process lives, or notes how far it is.
        seconds: between two calls, those of a heartbeat if left out; the first comes after them.
    """
    over = threading.Event()
    pause = _BEAT_SECONDS if seconds is None else seconds

    def keep() -> None:
        while not over.wait(pause):
            with suppress(UserError, OSError):  # a disk that is full says so elsewhere
                beat()

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def living(begun: Mapping[Path, str]) -> set[Path]:
    """The files that a process still works on.

    It may take as long as a few beats, once for all files and once for each state of a file.

    Args:
        begun: files that a process locks and touches while it lives, with the machine it is on.
    """
    found = set()
    unclear = set()
    for path, host in begun.items():
        is_locked = _is_locked(path)
        if is_locked is None or not (is_locked or host == socket.gethostname()):
            is_locked = _is_fresh(path)
        if is_locked is None:
            unclear.add(path)
        elif is_locked:
            found.add(path)
    return found | _moving(unclear)


def _is_locked(path: Path) -> bool | None:
    """Whether a process is seen to hold the lock of a file; `None` where that cannot be known."""
    try:
        descriptor = _opened(path)
    except OSError:
        return None
    try:
        return not try_lock(descriptor, shared=True)
    except OSError:  # there are no locks here
        return None
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """A descriptor of a file; opening it asks a network drive for its present time."""
    try:
        return os.open(path, os.O_RDWR)
    except PermissionError:  # another user's, whose lock can be seen all the same
        return os.open(path, os.O_RDONLY)


def _time_of(path: Path) -> int:
    descriptor = _opened(path)
    try:
        return os.fstat(descriptor).st_mtime_ns
    finally:
        os.close(descriptor)


def _is_fresh(path: Path) -> bool | None:
    """Whether a file was touched within a minute; `None` if the clocks may differ by that much."""
    try:
        age = time.time() - _time_of(path) / 1e9
    except OSError:
        return False
    if -_BEAT_SECONDS <= age < _SILENT_SECONDS:
        return True
    return None if abs(age) < _SKEW_SECONDS else False


@dataclass
class _Sight:
    """What was seen of a file: its time, since when by this clock, and whether it ever moved."""

    time: int
    since: float
    has_moved: bool = False


_sights: dict[Path, _Sight] = {}
"""Of this process, so that what stands still is waited for once."""


def _moving(paths: set[Path]) -> set[Path]:
    """Those whose time moves, whatever it is."""
    found: set[Path] = set()
    waiting = set(paths)
    while waiting:
        for path in list(waiting):
            is_moving = _is_moving(path)
            if is_moving is not None:
                waiting.remove(path)
            if is_moving:
                found.add(path)
        if waiting:
            time.sleep(_LOOK_SECONDS)
    return found


def _is_moving(path: Path) -> bool | None:
    """Whether the time of a file moves; `None` until it was looked at for long enough."""
    try:
        now, beat = time.monotonic(), _time_of(path)
    except OSError:
        return False
    seen = _sights.setdefault(path, _Sight(beat, now))
    if seen.time != beat:
        _sights[path] = _Sight(beat, now, has_moved=True)
        return True
    stands = now - seen.since
    if seen.has_moved:
        return stands < _SILENT_SECONDS
    return False if stands >= _WATCHED_BEATS * _BEAT_SECONDS else None
