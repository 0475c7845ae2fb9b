"""Processes of a launcher end as ever, but for the interpreter's finalisation, which can abort.

Real processes with the environment that a launcher gives.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from child_processes import HUNG_SECONDS

_ENDS = """
import atexit, sys, threading, time
from tidemask.processes import ending_early

class Last:
    def __del__(self):
        sys.__stderr__.write("finalised\\n")

last = Last()

def late():
    time.sleep(0.05)
    print("a thread's word")

def program():
    atexit.register(print, "a handler's word")
    threading.Thread(target=late).start()
    {end}

with ending_early():
    program()
"""
"""A program whose object is finalised with the interpreter, and prints that."""


def _run(code: str, world_size: int) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "WORLD_SIZE": str(world_size), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("end", "status", "printed"),
    [
        ("pass", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(2)", 2, ""),
        ("sys.exit(130)", 130, ""),
        ("sys.exit('a reason')", 1, "a reason"),
        ("raise KeyError('a defect')", 1, "KeyError: 'a defect'"),
    ],
)
def test_process_end_keeps_statuses_and_words_and_skips_the_finalisation(
    end: str, status: int, printed: str
) -> None:
    alone, launched = (_run(_ENDS.format(end=end), size) for size in (1, 2))
    assert launched.returncode == alone.returncode == status
    assert launched.stdout == alone.stdout == "a thread's word\na handler's word\n"
    assert printed in launched.stderr
    assert alone.stderr == launched.stderr + "finalised\n"


def test_process_end_without_room_for_its_words_is_120() -> None:
    code = "from tidemask.processes import ending_early\nwith ending_early(): print('word')"
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "WORLD_SIZE": "2", "PYTHONUNBUFFERED": ""},
            stdout=full,
            check=False,
        )
    assert done.returncode == 120


@pytest.mark.slow
def test_process_end_of_another_rank_that_fails_alone_says_why() -> None:
    """Nothing comes from the first, and no launcher ends it."""
    done = subprocess.run(
        [sys.executable, "-m", "tidemask", "compare", "nowhere", "--out", "nothing"],
        env={**os.environ, "WORLD_SIZE": "2", "RANK": "1"},
        capture_output=True, text=True, timeout=HUNG_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("tidemask: not a run directory: nowhere.")


@pytest.mark.slow
def test_process_end_of_a_command_is_safe_from_threads_of_torch() -> None:
    """A thread inside torch when the interpreter ends: what gloo's threads risk, made certain."""
    code = """
import sys, threading, torch
from tidemask.cli.app import main

def multiply():
    matrix = torch.ones(1000, 1000)
    while True:
        matrix @ matrix

threading.Thread(target=multiply, daemon=True).start()
sys.argv = ["tidemask", "--help"]
main()
"""
    done = _run(code, 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pretrain" in done.stdout
