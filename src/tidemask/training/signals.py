"""Signals that ask a training to stop become a request, which is acted on where nothing is lost.

SIGTERM and SIGUSR1 (what schedulers send before they take the machine) and SIGINT (Ctrl-C) are
noted while training goes on, and `graceful_stop.py` ends it after the step under way. This module
needs no torch, so that a command can listen before its slow imports.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from tidemask.processes import is_launched

_ONE_PRESS_SECONDS = 1.0
"""Two SIGINT within this time are one: a terminal and a launcher both pass Ctrl-C on."""

STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGUSR1")
    if name in signal.Signals.__members__
)
"""Signals that end a training in good order; Windows has no SIGUSR1."""


class Interrupted(BaseException):
    """A training was asked to stop and did; what it saved continues it.

    It is not an error: it passes handlers of `Exception`, as `KeyboardInterrupt` does.

    Args:
        by: the signal that asked.

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

    def __init__(self, by: signal.Signals) -> None:
        super().__init__(by.name)
        self.by = by

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
        self._received_at = 0.0
        # Ranks must leave together, so several of them never leave at once.
        self._deferred = is_launched()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receive the signals that are not ignored; outside the main thread none can be."""
        before = {}
        if threading.current_thread() is threading.main_thread():
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

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        pressed_again = number == signal.SIGINT and self.received is signal.SIGINT
        if pressed_again and now - self._received_at > _ONE_PRESS_SECONDS:
            raise KeyboardInterrupt
        if self.received is not signal.SIGINT:
            self.received = signal.Signals(number)
            self._received_at = now
        if not self._deferred:
            raise Interrupted(self.received)


def leave_signals_to_parent(_worker_id: int = 0) -> None:
    """Let a data-loading worker ignore the signals that ask the training to stop.

    Schedulers, launchers and terminals signal every process of a job. A worker that died of
    it would fail the step under way; it ends when its parent ends it, by SIGTERM too, or is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):  # macOS, Windows: the sender of a signal is not known
        return
    awaited = set(STOP_SIGNALS) - {signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    threading.Thread(target=_await_parent, args=(awaited,), daemon=True).start()


def _await_parent(awaited: set[signal.Signals]) -> NoReturn:
    parent = os.getppid()
    while True:
        info = signal.sigwaitinfo(awaited)
        if info.si_pid == parent and info.si_signo == signal.SIGTERM:
            os._exit(0)
