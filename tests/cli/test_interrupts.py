"""Ctrl-C and SIGTERM end every command with one line, from its first imports on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cases import one_in
from child_processes import HUNG_SECONDS, ended, wait_until
from prose import text
from small_runs import command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

AT_AN_IMPORT = """
import os, runpy, sys
_, module, number, *arguments = sys.argv

class Signal:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(Signal)
            os.kill(os.getpid(), int(number))

sys.meta_path.insert(0, Signal)
sys.argv = ["tidemask", *arguments]
runpy.run_module("tidemask", run_name="__main__", alter_sys=True)
"""
"""The program, which is signalled when it imports a module."""


def _signalled(
    number: signal.Signals, module: str, *arguments: str, place: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AT_AN_IMPORT, module, str(int(number)), *arguments],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip


EARLY = ("tidemask.cli", "typer", "rich", "tidemask.cli.app", "tidemask.cli.interrupts")
"""What is imported before a command begins, in the first third of a second."""


SENT = (
    (signal.SIGINT, ("prepare", "text.txt", "--out=out"), 130),
    (signal.SIGTERM, ("pretrain", "corpus", "--out=out"), 0),
    (signal.SIGTERM, ("prepare", "text.txt", "--out=out"), 143),
    (signal.SIGINT, ("pretrain", "corpus", "--out=out"), 130),
    (signal.SIGHUP, ("pretrain", "corpus", "--out=out"), 0),
    (signal.SIGUSR1, ("resume", "run"), 0),
)
"""A signal, a command, and the exit status."""


@pytest.mark.parametrize(
    ("number", "arguments", "status", "module"),
    [
        *((*sent, module) for module, sent in zip(EARLY, SENT, strict=False)),
        (*SENT[-1], "rich"),
    ],
)
def test_interrupted_before_a_command_begins_is_one_line(
    number: signal.Signals, arguments: tuple[str, ...], status: int, module: str, tmp_path: Path
) -> None:
    done = _signalled(number, module, *arguments, place=tmp_path)
    assert done.stderr == f"tidemask: ended by {number.name}. Give the command again.\n"
    assert (done.returncode, done.stdout) == (status, "")
    assert list(tmp_path.iterdir()) == []


BEGUN = {
    "demo": ("tidemask.corpus.demo_text.documents", "demo"),
    "prepare": ("tidemask.corpus.prepare", "prepare", "text.txt", "--out=out"),
    "annotate": ("tidemask.annotation.annotate", "annotate", "corpus", "--column=a",
                 "--from=list:a.txt"),
    "evaluate": ("torch", "evaluate", "run"),
    "fill": ("torch", "fill", "run", "a [MASK]"),
    "score": ("torch", "score", "run", "a word"),
    "compare": ("tidemask.studies.comparison", "compare", "run", "--out=out"),
    "inspect": ("tidemask.inspection.inspect", "inspect", "corpus"),
    "preview": ("torch", "preview", "corpus"),
    "push": ("tidemask.runs.push", "push", "run"),
    "recipes": ("tidemask.runs.config", "recipes"),
}  # fmt: skip
"""By command: a module that it imports once it has begun, and arguments."""


def test_interrupted_commands_are_all() -> None:
    from tidemask.cli.app import app

    known = {registered.name for registered in app.registered_commands}
    assert known == {*BEGUN, "pretrain", "resume", "tune"}


@pytest.mark.parametrize("place", one_in(3, range(len(BEGUN)), ids=[*BEGUN].__getitem__))
@pytest.mark.slow
def test_interrupted_command_is_one_line(place: int, tmp_path: Path) -> None:
    """Every command by one signal, and by turns."""
    number, words, status = (
        (signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "ended by SIGTERM", 143),
    )[place % 2]  # fmt: skip
    module, *arguments = [*BEGUN.values()][place]
    done = _signalled(number, module, *arguments, place=tmp_path)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith(f"tidemask: {words}. ")
    assert done.stderr.count("\n") == 1
    assert "give the command again" in done.stderr.lower()


@pytest.mark.parametrize("number", one_in(2, [signal.SIGHUP, signal.SIGUSR1]))
def test_interrupted_by_other_signals_is_one_line(number: signal.Signals, tmp_path: Path) -> None:
    module, *arguments = BEGUN["recipes"]
    done = _signalled(number, module, *arguments, place=tmp_path)
    assert done.returncode == 128 + number
    assert done.stderr.startswith(f"tidemask: ended by {number.name}. ")
    assert done.stderr.count("\n") == 1


_LOST = """
import os, signal
from tidemask.cli.interrupts import ending_in_order
from tidemask.errors import UserError

class Finalised:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        [None for _ in range(1000)]  # the handler runs here, and Python drops what it raises

def work():
    finalised = Finalised()
    del finalised
    raise UserError("a worker process died.")

with ending_in_order("It is kept."):
    work()
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [("SIGTERM", "ended by SIGTERM. It is kept."), ("SIGINT", "interrupted. It is kept.")],
)
def test_interrupted_where_python_drops_it_says_so_at_the_next_error(name: str, line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOST.format(name=name)], capture_output=True, text=True,
        check=False, timeout=HUNG_SECONDS,
    )  # fmt: skip
    assert "Exception ignored" in done.stderr
    assert f"\ntidemask: {line}\n" in done.stderr


@contextmanager
def _preparing(place: Path) -> Iterator[subprocess.Popen[str]]:
    """A preparation in a process group of its own, once its workers encode."""
    if not (place / "text.txt").exists():
        (place / "text.txt").write_text(text(3000), encoding="utf-8")
    arguments = ["prepare", "text.txt", "--out=out", "--vocab-size=200", "--workers=2"]
    process = subprocess.Popen(
        command(arguments), cwd=place, start_new_session=True, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    with ended(process):
        wait_until((place / ".out.partial" / "train").is_dir, process)
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("to_group", [False, True])
def test_interrupted_preparation_leaves_what_is_finished(to_group: bool, tmp_path: Path) -> None:
    with _preparing(tmp_path) as process:
        (os.killpg if to_group else os.kill)(process.pid, signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 143, errors
    kept = "Give the command again; it goes on with what is finished."
    said = f"tidemask: ended by SIGTERM. {kept}"
    assert errors.splitlines()[-1] == said
    assert "Traceback" not in errors
    assert "rocess" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.partial", "text.txt"]
