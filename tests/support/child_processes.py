"""Child processes of tests: waited for by what they do, and ended whatever the test finds."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

HUNG_SECONDS = 900.0
"""A child that takes so long hangs, however slow the machine is."""


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Kill a process, and its group if it leads one, at the end of the block if it still runs."""
    try:
        yield
    finally:
        if process.poll() is None:
            if os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[Any] | None = None) -> None:
    """Wait until something has happened; a process that does it must not end before."""
    begun = monotonic()
    while not happened():
        assert monotonic() - begun < HUNG_SECONDS, "the process hangs"
        if process is not None and process.poll() is not None and not happened():
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()[1]}")
        sleep(0.01)


def send_and_wait(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    """Send a signal and wait until the process has it, or ends: of two that wait, one is lost."""
    process.send_signal(number)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None and any(
        line.startswith("ShdPnd:") and int(line.split()[1], 16)
        for line in status.read_text().splitlines()
    ):
        sleep(0.001)


def compute_on(process: subprocess.Popen[Any], seconds: float) -> None:
    """Wait until the process has used so much more time of the processor, or ends."""

    def used() -> float:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # utime, stime

    begun = used()
    while process.poll() is None and used() < begun + seconds:
        sleep(0.001)
