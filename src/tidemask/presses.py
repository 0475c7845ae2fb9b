"""Presses of Ctrl-C and other signals, noticed where they arrive.

Python runs the handler of a signal between two operations of the main thread, once for all that
came during one operation. The system's own handler writes a byte for each at once, and a thread
that reads them can count, and end a process whose main thread is in an operation of minutes, or
waits for another process. While an operation holds Python's lock the thread cannot read either, so
the system notes when each byte came: two presses that are read at one time are not one.

Two signals are one where the system itself keeps one: while it does not interrupt the process,
which waits for a disk or is stopped, the second finds the first pending and is dropped.
"""

from __future__ import annotations

import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

ONE_PRESS_SECONDS = 1.0
"""Two SIGINT within this time are one: a terminal and a launcher both pass Ctrl-C on."""

REACTION_SECONDS = 2.0
"""How long the main thread has to end by itself after the second press, or to run a handler."""

_SO_TIMESTAMPNS = 35
"""Linux's option for the time of each message of a socket, for which `socket` has no name."""


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
        self._arrivals: _Arrivals | None = None
        self._lock = threading.RLock()  # a handler may interrupt another in the main thread

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count from now on; in the main thread alone. Windows counts calls of handlers."""
        if sys.platform == "win32":
            yield
            return
        arrivals = self._arrivals = _Arrivals()
        over = threading.Event()
        thread = threading.Thread(target=self._count_until, args=(over, arrivals), daemon=True)
        thread.start()
        before = signal.set_wakeup_fd(arrivals.sender.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            over.set()
            try:
                with suppress(BlockingIOError):  # full: the thread is awake
                    arrivals.sender.send(b"\0")
                thread.join()
            finally:  # an interrupt may end the wait
                with self._lock:
                    self._arrivals = None
                    arrivals.close()

    def note(self, number: int) -> None:
        """Count what has arrived; handlers call it with their signal before they ask."""
        with self._lock:
            self._read(number)
            self._waiting.pop(number, None)

    def _read(self, number: int) -> None:
        """Count what has arrived, and since when it waits for its handler."""
        with self._lock:
            now = time.monotonic()
            arrived = [(number, now)] if self._arrivals is None else self._arrivals.read()
            for other, when in arrived:
                self._waiting.setdefault(other, now)  # the main thread may be free only now
                if other != signal.SIGINT:
                    continue
                if self._first is None:
                    self._first = when
                elif when - self._first >= ONE_PRESS_SECONDS:
                    self.is_second = True

    def _count_until(self, over: threading.Event, arrivals: _Arrivals) -> None:
        while not over.is_set():
            select.select([arrivals.receiver], [], [], REACTION_SECONDS if self._waiting else None)
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


class _Arrivals:
    """Signals and when each came, however late they are read; outside Linux, when they are read.

    Attributes:
        sender: takes a byte for each, the number of the signal; 0 only wakes a reader.
        receiver: can be waited for.
    """

    def __init__(self) -> None:
        self.receiver, self.sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiver.setblocking(False)
        self.sender.setblocking(False)
        if sys.platform == "linux":
            with suppress(OSError):  # a kernel in a sandbox may not know it
                self.receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def read(self) -> list[tuple[int, float]]:
        """The signals since the last call, each with the time of `time.monotonic`, in seconds."""
        now, clock = time.monotonic(), time.time()
        found = []
        with suppress(BlockingIOError):
            while True:
                byte, notes, _, _ = self.receiver.recvmsg(1, socket.CMSG_SPACE(16))
                came = clock
                for _, kind, content in notes:
                    if kind == _SO_TIMESTAMPNS:
                        seconds, nanoseconds = struct.unpack("@ll", content)
                        came = seconds + nanoseconds / 1e9
                if byte != b"\0":
                    found.append((byte[0], now - (clock - came)))
        return found

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()
