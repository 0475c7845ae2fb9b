"""The demonstration touches what a demonstration made, and waits for no pipe of its runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidemask.cli.demo import MARKER, _check_place, _run_in_parallel
from tidemask.errors import UserError
from tidemask.progress.display import displayed
from tidemask.run_record import RunDirectory


def _files(place: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["report/thesis.txt", "runs/mine/run.yaml", "corpus/a", "thesis"])
def test_demo_leaves_directories_of_others_alone(
    name: str, tmp_path: Path, tidemask: Callable[..., Any]
) -> None:
    """Even where they have the names that a demonstration gives."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = _files(tmp_path)
    status, _, errors = tidemask("demo", "--out", str(tmp_path), "--steps=20")
    assert (status, errors.count("\n")) == (2, 1)
    assert (
        f"{tmp_path} holds {Path(name).parts[0]}, which no demonstration of this version made"
        in errors
    )
    assert _files(tmp_path) == before


def test_demo_goes_on_in_its_own_directory_but_keeps_what_came_into_its_report(
    tmp_path: Path,
) -> None:
    for name in ("corpus", "runs", "report/figures", "report/tables"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / MARKER).touch()
    (tmp_path / "report" / "index.html").touch()
    _check_place(tmp_path, 20)
    (tmp_path / "report" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"report holds thesis\.txt"):
        _check_place(tmp_path, 20)


CHILD = """
import signal, sys
signal.alarm(60)  # it would wait for ever at a pipe that nobody reads
sys.stderr.write("a long warning\\n" * 100_000 + "the last line\\n")
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="alarm of POSIX")
def test_demo_reads_any_number_of_messages_of_a_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "bert")
    with displayed(False) as display:
        _run_in_parallel({run: [sys.executable, "-c", CHILD, "0"]}, steps=20, display=display)
        with pytest.raises(UserError, match=r"^run failed: bert with status 3: the last line "):
            _run_in_parallel({run: [sys.executable, "-c", CHILD, "3"]}, steps=20, display=display)
