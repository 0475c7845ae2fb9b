"""A worker process leaves the signals of a whole job to its parent, and ends when that ends it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection

import pytest

from child_processes import HUNG_SECONDS
from tidemask.children import serve_parent
from tidemask.processes import STOP_SIGNALS

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "sigwaitinfo"), reason="who sent a signal is not known here"
)

_SENDER = "import os, sys; os.kill(int(sys.argv[1]), int(sys.argv[2]))"


def _answer(connection: Connection) -> None:
    serve_parent()
    connection.send("ready")
    while True:
        connection.send(connection.recv())


@pytest.mark.slow
def test_worker_lives_through_signals_of_others_and_ends_by_that_of_its_parent() -> None:
    """Each signal comes from another process, as a scheduler's does."""
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("fork").Process(target=_answer, args=(theirs,))
    worker.start()
    theirs.close()  # so that the end of the worker is the end of its messages
    try:
        assert ours.poll(HUNG_SECONDS)
        assert ours.recv() == "ready"
        for number in (*STOP_SIGNALS, *STOP_SIGNALS):
            sent = [sys.executable, "-c", _SENDER, str(worker.pid), str(int(number))]
            assert os.spawnv(os.P_WAIT, sys.executable, sent) == 0
            ours.send(number)
            assert ours.poll(HUNG_SECONDS), number
            assert ours.recv() == number
        worker.terminate()
        worker.join(HUNG_SECONDS)
        assert worker.exitcode == 0
    finally:
        worker.kill()
        worker.join()
