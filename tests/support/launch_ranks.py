"""What torchrun does with a command on one machine, without its imports of seconds.

    python launch_ranks.py NUMBER COMMAND ARGUMENT...

Every process finds its rank and the place of the first in the environment, signals are passed on to
all, and when one fails the others are ended: after some seconds, so that each can say its part. The
status is 1 if any failed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

_ASKED_AFTER, _KILLED_AFTER = 2.0, 32.0
"""Seconds after the first failure."""

_PR_SET_PDEATHSIG = 1


def _end_with_launcher() -> None:
    """Let the system kill this process when the launcher is gone, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _launched(number: int, command: list[str]) -> list[subprocess.Popen[bytes]]:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    shared = {"WORLD_SIZE": number, "LOCAL_WORLD_SIZE": number, "MASTER_PORT": port}
    variables = {name: str(value) for name, value in shared.items()}
    variables["MASTER_ADDR"] = "127.0.0.1"
    return [
        subprocess.Popen(
            command,
            env={**os.environ, **variables, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            preexec_fn=_end_with_launcher,
        )
        for rank in range(number)
    ]


def _wait(ranks: list[subprocess.Popen[bytes]]) -> None:
    """Wait for all; after one that fails the others are asked to end, and then killed."""
    deadlines = [(_ASKED_AFTER, signal.SIGTERM), (_KILLED_AFTER, signal.SIGKILL)]
    failed_at = None
    while any(rank.poll() is None for rank in ranks):
        if failed_at is None and any(rank.returncode for rank in ranks):
            failed_at = time.monotonic()
        if failed_at is not None and deadlines and time.monotonic() > failed_at + deadlines[0][0]:
            _send_all(ranks, deadlines.pop(0)[1])
        time.sleep(0.01)


def _send_all(ranks: list[subprocess.Popen[bytes]], number: int) -> None:
    for rank in ranks:
        rank.send_signal(number)  # which does nothing to one that has ended


if __name__ == "__main__":
    started = _launched(int(sys.argv[1]), sys.argv[2:])
    for passed_on in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(passed_on, lambda received, _: _send_all(started, received))
    _wait(started)
    sys.exit(any(rank.returncode for rank in started))
