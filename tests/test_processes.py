"""Processes of a launcher end as ever, but for the interpreter's finalisation, which can abort.

Real processes with the environment that a launcher gives.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cases import one_in
from child_processes import HUNG_SECONDS
from small_runs import warm_command
from tidemask.processes import launch_problem

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


TWO = {
    "WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "here",
    "MASTER_PORT": "29500",
}  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, None),
        ({"MASTER_ADDR": "here", "MASTER_PORT": "29500"}, None),
        ({"WORLD_SIZE": "1"}, None),
        ({"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}, None),
        (TWO, None),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE=2 without RANK, LOCAL_RANK, MASTER_PORT, MASTER_ADDR."),
        ({"RANK": "1"}, "RANK=1 without WORLD_SIZE."),
        ({"LOCAL_RANK": "0"}, "LOCAL_RANK=0 without WORLD_SIZE."),
        ({**TWO, "MASTER_ADDR": ""}, "without MASTER_ADDR."),
        ({"WORLD_SIZE": "1", "RANK": "1"}, "RANK=1. Expected 0 to 0."),
        ({**TWO, "RANK": "2"}, "RANK=2. Expected 0 to 1."),
        ({**TWO, "LOCAL_RANK": "-1"}, "LOCAL_RANK=-1. Expected 0 to 1."),
        ({**TWO, "WORLD_SIZE": "0"}, "WORLD_SIZE=0. Expected 1 to "),
        ({**TWO, "MASTER_PORT": "65536"}, "MASTER_PORT=65536. Expected 1 to 65535."),
        *(({**TWO, name: "2.5"}, f"{name}='2.5'. Expected a whole number") for name in
          ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT")),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE=''. Expected a whole number"),
    ],
)  # fmt: skip
def test_processes_know_an_environment_that_no_launcher_gives(
    environment: dict[str, str], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TWO:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    problem = launch_problem(joins=True)
    assert (problem is None) if said is None else said in str(problem)


@pytest.mark.parametrize(
    ("environment", "arguments"),
    one_in(
        3,
        [
            ({"WORLD_SIZE": "abc"}, ("recipes",)),
            ({"RANK": "1"}, ("pretrain", "corpus", "--out=run")),
            ({"WORLD_SIZE": "2"}, ("pretrain", "corpus", "--out=run")),
        ],
    ),
)
def test_processes_in_such_an_environment_say_so(
    environment: dict[str, str], arguments: tuple[str, ...], corpus: Path, tmp_path: Path
) -> None:
    given = [str(corpus) if argument == "corpus" else argument for argument in arguments]
    done = subprocess.run(
        warm_command("tidemask", *given), cwd=tmp_path, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=HUNG_SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tidemask: ")
    assert done.stderr.count("\n") == 1
    assert next(iter(environment)) in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a shell closes streams")
@pytest.mark.parametrize("closed", ["2>&-", "2>&- <&-", "2>&- 1>&- <&-"])
def test_process_with_closed_streams_prints_nothing_elsewhere(closed: str) -> None:
    """`print` takes a standard error that is not there for the standard output."""
    command = shlex.join([sys.executable, "-m", "tidemask", "inspect", "nowhere", "--json"])
    done = subprocess.run(
        ["sh", "-c", f"exec {command} {closed}"], capture_output=True, text=True, check=False,
        timeout=HUNG_SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.skipif(os.name != "posix", reason="a shell closes streams")
def test_process_with_closed_streams_gives_its_children_streams() -> None:
    """Else the next file that a child opens has the number of its standard error."""
    code = (
        "import os, subprocess, sys; from tidemask.__main__ import _open_closed_streams as opened;"
        "opened(); look = 'import os; print(*[os.fstat(n).st_rdev for n in (0, 2)])';"
        "subprocess.run([sys.executable, '-c', look])"
    )
    command = shlex.join([sys.executable, "-c", code])
    done = subprocess.run(
        ["sh", "-c", f"exec {command} 2>&- <&-"], capture_output=True, text=True, check=False,
        timeout=HUNG_SECONDS,
    )  # fmt: skip
    assert done.stdout.split() == [str(Path(os.devnull).stat().st_rdev)] * 2


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
