"""The time that a search has had at work: kept in a file, so that an interruption costs nothing."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.atomic import write_atomically
from tidemask.reading import MAX_INDEX_BYTES, read_json
from tidemask.studies.heartbeat import beating
from tidemask.training.signals import Interrupted, StopRequest

_NOTED_SECONDS = 2.0
"""How often the time is noted: what is lost of it when the process is killed."""


@dataclass(frozen=True)
class _Noted:
    """The content of the file."""

    spent_seconds: float

    def __post_init__(self) -> None:
        if self.spent_seconds < 0:
            raise ValueError(f"spent_seconds={self.spent_seconds:g}. Expected 0 or more")


class SpentClock:
    """How long commands have been at work on a search, this one and those before.

    The time between an interruption and the next command does not count.

    Args:
        path: the file in which it is noted.
        now: seconds of a clock that only goes on.

    Raises:
        UserError: the file is damaged.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._path, self._now = path, now
        self._before = 0.0
        if path.is_file():
            self._before = read_json(
                path,
                _Noted,
                what="time of the search",
                max_bytes=MAX_INDEX_BYTES,
                advice='Write {"spent_seconds": 0.0} into it to give the search all of its budget.',
            ).spent_seconds
        self._begun = now()

    @property
    def spent(self) -> float:
        """Seconds."""
        return self._before + self._now() - self._begun

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the time every two seconds while the block lasts, and at its end.

        Raises:
            UserError: the file cannot be written at the beginning.
        """
        self._note()
        try:
            with beating(self._note, _NOTED_SECONDS):
                yield
        finally:
            with suppress(UserError, OSError):
                self._note()

    def _note(self) -> None:
        content = json.dumps({"spent_seconds": round(self.spent, 3)})
        write_atomically(self._path, f"{content}\n", what="time of the search")


class TimedRequest(StopRequest):
    """A request to stop that also comes when the time is over.

    Args:
        asked: the request of a user.
        is_over: whether the time is over.
    """

    def __init__(self, asked: StopRequest, is_over: Callable[[], bool]) -> None:
        self._asked, self._is_over = asked, is_over
        super().__init__()

    @property
    def is_asked(self) -> bool:
        """Whether the user asked, and not only the time is over."""
        return self._asked.received is not None

    def raise_if_asked(self) -> None:
        """Stop where the user asked to.

        Raises:
            Interrupted: the user did.
        """
        if self._asked.received is not None:
            raise Interrupted(self._asked.received)

    @property
    def received(self) -> signal.Signals | None:
        """The signal of the user, or that of schedulers where the time is over."""
        if self._asked.received is not None:
            return self._asked.received
        return signal.SIGTERM if self._is_over() else None

    @received.setter
    def received(self, value: signal.Signals | None) -> None:
        """Signals are received by the request of the user."""
