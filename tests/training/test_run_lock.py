"""The lock of a run, and file systems that have none."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS
from small_runs import TINY, warm_command
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.training.run_lock import run_lock

WITHOUT_LOCKS = """
import errno, fcntl, os, sys
number = getattr(errno, sys.argv.pop(1))
def flock(file, operation):
    raise OSError(number, os.strerror(number))
fcntl.flock = flock
from tidemask.cli.app import main
main()
"""


def _num_open() -> int:
    """Descriptors that this process has, and the one that counts them."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_lock_keeps_a_second_process_out(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run_lock(run) as lock:
        assert lock.note == ""
        with pytest.raises(UserError, match="run is being trained"), run_lock(run):
            pass
    with run_lock(run):
        pass


def test_lock_makes_no_file_at_the_end_of_a_link(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to("elsewhere")
    with pytest.raises(OSError, match=r"\.lock"), run_lock(RunDirectory(tmp_path)):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_lock_of_a_file_system_without_locks_is_a_note(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = getattr(errno, name)

    def flock(file: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tidemask.files.locks.fcntl.flock", flock)
    before = _num_open()
    with run_lock(RunDirectory(tmp_path)) as lock:
        assert f"{tmp_path} has no locks ({os.strerror(number)}): a second process" in lock.note
        (tmp_path / ".lock").unlink()
        lock.check()
    assert _num_open() == before


def test_lock_that_fails_otherwise_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("tidemask.files.locks.fcntl.flock", flock)
    with pytest.raises(OSError, match="Input/output error"), run_lock(RunDirectory(tmp_path)):
        pass


@pytest.mark.slow
def test_lock_that_the_system_refuses_lets_training_go_on(corpus: Path, tmp_path: Path) -> None:
    script = tmp_path / "without_locks.py"
    script.write_text(WITHOUT_LOCKS)
    arguments = ["pretrain", str(corpus), f"--out={tmp_path / 'run'}", *TINY]
    done = subprocess.run(
        warm_command(script, "ENOSYS", *arguments),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "has no locks" in done.stderr
    assert "is not kept out" in done.stderr
    assert (tmp_path / "run" / "model").is_dir()
