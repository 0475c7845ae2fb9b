"""Two presses of Ctrl-C are two, also while one operation of the main thread is under way."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cases import one_in
from child_processes import compute_on, ended, send_and_wait
from tidemask.presses import Presses

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a mutex and /proc of Linux")

LONG_OPERATION = """
import ctypes, signal, sys, threading, time
from pathlib import Path
from tidemask import presses

presses.ONE_PRESS_SECONDS = presses.REACTION_SECONDS = 0.0
libc, mutex, locked = ctypes.CDLL(None), ctypes.create_string_buffer(64), threading.Event()

def hold():
    libc.pthread_mutex_lock(mutex)
    locked.set()
    main = threading.main_thread()
    stat = Path(f"/proc/self/task/{main.native_id}/stat")
    while not (is_at_the_lock(main) and stat.read_text().rpartition(") ")[2][0] == "S"):
        time.sleep(0.01)
    print("under way", flush=True)
    sys.stdin.readline()
    libc.pthread_mutex_unlock(mutex)

def is_at_the_lock(main):
    frame = sys._current_frames()[main.ident]
    return frame.f_code is operate.__code__ and frame.f_lineno == frame.f_code.co_firstlineno + 4

def operate():
    '''Wait in C, where no signal is looked at, until a line comes.'''
    threading.Thread(target=hold, daemon=True).start()
    locked.wait()
    libc.pthread_mutex_lock(mutex)
"""
"""One operation that ends when its process ends it."""


HOLDING_OPERATIONS = """
import select, sys
from tidemask import presses

presses.ONE_PRESS_SECONDS = 0.01

def operate():
    '''Hold Python's lock in C, for some tenths of a second at a time, until a line comes.'''
    print("under way", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        sum(range(2 * 10**7))
"""
"""Operations within which no other thread runs, so that presses are read after them."""


@contextmanager
def _operating(program: str, operation: str = LONG_OPERATION) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", operation + program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with ended(process):
        assert process.stdout is not None
        assert process.stdout.readline() == "under way\n"
        yield process


IN_TRAINING = """
from tidemask import StopRequest
stop_request = StopRequest()
try:
    with stop_request.listening(), stop_request.deferred():
        operate()
        print("went on", stop_request.received.name, flush=True)
except KeyboardInterrupt:
    print("ended", flush=True)
"""


@pytest.mark.parametrize(("times", "said"), [(1, "went on SIGINT"), (2, "ended"), (3, "ended")])
def test_presses_within_one_operation_are_counted(times: int, said: str) -> None:
    with _operating(IN_TRAINING) as process:
        for _ in range(times):
            send_and_wait(process, signal.SIGINT)
        out, errors = process.communicate("go on\n")
    assert (process.returncode, out, errors) == (0, f"{said}\n", "")


@pytest.mark.parametrize(("times", "said"), one_in(2, [(1, "went on SIGINT"), (2, "ended")]))
@pytest.mark.slow
def test_presses_are_counted_while_no_thread_can_read_them(times: int, said: str) -> None:
    with _operating(IN_TRAINING, HOLDING_OPERATIONS) as process:
        for _ in range(times):
            compute_on(process, 0.05)
            send_and_wait(process, signal.SIGINT)
        out, errors = process.communicate("go on\n")
    assert (process.returncode, out, errors) == (0, f"{said}\n", "")


def test_presses_interrupted_at_their_end_leave_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    join = threading.Thread.join

    def interrupted(thread: threading.Thread) -> None:
        join(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    before = len(list(Path("/dev/fd").iterdir()))
    presses = Presses()
    with pytest.raises(KeyboardInterrupt), presses.counted():
        pass
    assert len(list(Path("/dev/fd").iterdir())) == before
    presses.note(signal.SIGINT)
    assert not presses.is_second


IN_A_COMMAND = """
from tidemask.cli.interrupts import ending_in_order
with ending_in_order("Nothing was written."):
    operate()
"""
IN_A_TRAINING_COMMAND = """
from pathlib import Path
from tidemask.cli.interrupts import stopping_at_signals
with stopping_at_signals(Path("run")) as stop_request, stop_request.deferred():
    operate()
"""


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (IN_A_COMMAND, "tidemask: interrupted. Nothing was written.\n"),
        (IN_A_TRAINING_COMMAND, "tidemask: interrupted. Continue with `tidemask resume run`.\n"),
    ],
    ids=["command", "training"],
)
def test_presses_two_end_a_command_within_an_operation_that_does_not_end(
    program: str, line: str
) -> None:
    with _operating(program) as process:
        send_and_wait(process, signal.SIGINT)
        send_and_wait(process, signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == line
        assert process.wait() == 130


BEFORE_TRAINING = """
from pathlib import Path
from tidemask.cli.interrupts import stopping_at_signals
with stopping_at_signals(Path("run")):
    operate()
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.slow
def test_presses_one_signal_ends_what_cannot_be_interrupted_before_training(
    number: signal.Signals, status: int
) -> None:
    with _operating(BEFORE_TRAINING) as process:
        send_and_wait(process, number)
        assert process.stderr is not None
        said = f"Stopped by {number.name}: the run had not begun. Give the command again.\n"
        assert process.stderr.read() == f"tidemask: {said}"
        assert process.wait() == status


IN_A_LONG_STEP = """
import time
from tidemask import StopRequest
stop_request = StopRequest()
with stop_request.listening(on_unhandled=lambda number: print("ended", flush=True)):
    with stop_request.deferred():
        operate()
        print("went on", stop_request.received.name, flush=True)
"""


def test_presses_one_signal_lets_a_long_step_of_training_end() -> None:
    with _operating(IN_A_LONG_STEP) as process:
        send_and_wait(process, signal.SIGTERM)
        out, errors = process.communicate("go on\n")
    assert (process.returncode, out, errors) == (0, "went on SIGTERM\n", "")


def test_presses_by_two_senders_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal and a launcher both pass Ctrl-C on, within a second."""
    from tidemask import presses

    counted = presses.Presses()
    now = [0.0]
    monkeypatch.setattr("tidemask.presses.time.monotonic", lambda: now[0])
    for now[0], is_second in ((5.0, False), (5.9, False), (6.0, True)):
        counted.note(signal.SIGTERM)
        counted.note(signal.SIGINT)
        assert counted.is_second is is_second
