"""Presses of Ctrl-C and other signals, noticed where they arrive.

Python runs the handler of a signal between two operations of the main thread, once for all that
came during one operation. The system's own handler writes a byte for each at once, and a thread
that reads them can count, and end a process whose main thread is in an operation of minutes, or
waits for another process.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ONE_PRESS_SECONDS = 1.0
"""Two SIGINT within this time are one: a terminal and a launcher both pass Ctrl-C on."""

REACTION_SECONDS = 2.0
"""How long the main thread has to end by itself after the second press, or to run a handler."""


class Presses:
    """How often Ctrl-C was pressed, and which signals wait for their handler.

    Args:
        on_second: called, in another thread, if the block that counts goes on for
            `REACTION_SECONDS` after the second press; it ends the process.
        on_unhandled: called in that thread with a signal whose handler did not run for
            `REACTION_SECONDS`, as one operation of the main thread goes on for so long.

    Attributes:
        is_second: whether it was pressed twice.
    """

    def __init__(
        self,
        on_second: Callable[[], None] | None = None,
        on_unhandled: Callable[[signal.Signals], None] | None = None,
    ) -> None:
        self.is_second = False
        self._on_second = on_second
        self._on_unhandled = on_unhandled
        self._waiting: dict[int, float] = {}
        self._first: float | None = None
        self._arrivals: int | None = None
        self._lock = threading.RLock()  # a handler may interrupt another in the main thread

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count from now on; in the main thread alone. Windows counts calls of handlers."""
        if sys.platform == "win32":
            yield
            return
        self._arrivals, send = os.pipe()
        os.set_blocking(self._arrivals, False)
        os.set_blocking(send, False)
        over = threading.Event()
        thread = threading.Thread(target=self._count_until, args=(over,), daemon=True)
        thread.start()
        before = signal.set_wakeup_fd(send, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            over.set()
            os.write(send, b"\0")
            thread.join()
            os.close(send)
            os.close(self._arrivals)
            self._arrivals = None

    def note(self, number: int) -> None:
        """Count what has arrived; handlers call it with their signal before they ask."""
        with self._lock:
            self._read(number)
            self._waiting.pop(number, None)

    def _read(self, number: int) -> None:
        """Count what has arrived, and since when it waits for its handler."""
        with self._lock:
            arrived = bytes([number])
            if self._arrivals is not None:
                try:
                    arrived = os.read(self._arrivals, 4096)
                except BlockingIOError:  # the other thread counted it
                    return
            now = time.monotonic()
            for other in filter(None, arrived):
                self._waiting.setdefault(other, now)
            for _ in range(arrived.count(signal.SIGINT)):
                if self._first is None:
                    self._first = now
                elif now - self._first >= ONE_PRESS_SECONDS:
                    self.is_second = True

    def _count_until(self, over: threading.Event) -> None:
        assert self._arrivals is not None
        while not over.is_set():
            select.select([self._arrivals], [], [], REACTION_SECONDS if self._waiting else None)
            self._read(0)
            if self.is_second and self._on_second is not None and not over.wait(REACTION_SECONDS):
                self._on_second()
            if not over.is_set():
                self._report_unhandled()

    def _report_unhandled(self) -> None:
        with self._lock:
            begun = time.monotonic() - REACTION_SECONDS
            unhandled = [number for number, since in self._waiting.items() if since <= begun]
            for number in unhandled:
                del self._waiting[number]
        for number in unhandled:
            if self._on_unhandled is not None:
                self._on_unhandled(signal.Signals(number))
