"""Signals that ask a training to stop become a request, which is acted on where nothing is lost.

SIGTERM and SIGUSR1 (what schedulers send before they take the machine), SIGHUP (a terminal that is
closed) and SIGINT (Ctrl-C) are noted while training goes on, and `graceful_stop.py` ends it after
the step under way. Before it has begun each process leaves at once, also one that waits for the
others, and so does a single one while its first step is compiled. This module needs no torch, so
that a command can listen before its slow imports.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tidemask.presses import Presses
from tidemask.processes import STOP_SIGNALS


class Interrupted(BaseException):
    """A training was asked to stop and did; what it saved continues it.

    It is not an error: it passes handlers of `Exception`, as `KeyboardInterrupt` does.

    Args:
        by: the signal that asked.
        is_agreed: whether every process of the run stops, at the same point.

    Example:
        >>> import os, signal
        >>> from tidemask import Interrupted, StopRequest
        >>> try:
        ...     with StopRequest().listening():  # as `pretrain` does
        ...         os.kill(os.getpid(), signal.SIGTERM)
        ... except Interrupted as stop:
        ...     print(stop.by.name, stop.status)
        SIGTERM 0
    """

    def __init__(self, by: signal.Signals, *, is_agreed: bool = False) -> None:
        super().__init__(by.name)
        self.by = by
        self.is_agreed = is_agreed

    @property
    def status(self) -> int:
        """Exit status of the command: 130 after SIGINT, as shells have it, else 0."""
        return 130 if self.by is signal.SIGINT else 0


class StopRequest:
    """Whether this process was asked to stop.

    Example:
        >>> import os, signal
        >>> from tidemask import StopRequest
        >>> stop_request = StopRequest()
        >>> with stop_request.listening(), stop_request.deferred():
        ...     os.kill(os.getpid(), signal.SIGTERM)
        >>> stop_request.received.name
        'SIGTERM'
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._presses = Presses()
        self._deferred = False

    @contextmanager
    def listening(
        self,
        on_second_press: Callable[[], None] | None = None,
        on_unhandled: Callable[[signal.Signals], None] | None = None,
    ) -> Iterator[None]:
        """Receive the signals that are not ignored; outside the main thread none can be.

        Args:
            on_second_press: called in another thread if the block goes on, in an operation that
                takes long, after the second Ctrl-C; it ends the process. Else the block ends with
                `KeyboardInterrupt` after the operation.
            on_unhandled: called in another thread with a signal that would end the block at once,
                if an operation goes on instead that cannot be interrupted, such as to wait for
                another process; it ends this one.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def leave(number: signal.Signals) -> None:
            if number in STOP_SIGNALS and on_unhandled is not None and not self._deferred:
                on_unhandled(number)

        self._presses = Presses(on_second_press, leave)
        before = {}
        with self._presses.counted():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, self._receive)
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Only note a signal in `received`; outside this block it raises `Interrupted` at once."""
        before, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = before

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Raise `Interrupted` at once in a part of `deferred` that takes long and loses nothing.

        Raises:
            Interrupted: also if a signal came before.
        """
        before, self._deferred = self._deferred, False
        try:
            if self.received is not None:
                raise Interrupted(self.received)
            yield
        finally:
            self._deferred = before

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._presses.note(number)
        if number == signal.SIGINT and self._presses.is_second:
            raise KeyboardInterrupt
        if self.received is not signal.SIGINT:
            self.received = signal.Signals(number)
        if not self._deferred:
            raise Interrupted(self.received)
