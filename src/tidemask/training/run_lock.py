"""The lock of a run: one process trains it, in the directory where it began."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemask.errors import UserError, command_line
from tidemask.files.locks import NoLocksError, try_lock
from tidemask.run_record import RunDirectory
from tidemask.training.distributed import rank_and_size

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
"""No file is made where a link leads; Windows has no such flag."""


class RunLock:
    """Keeps a second process from training a run; a process that was killed holds no lock.

    Args:
        run: whose directory is locked, on the first rank.

    Attributes:
        note: a sentence where the file system has no locks; else empty.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.note = ""
        self._run = run
        self._path = run.root / ".lock"
        self._root = _identity(run.root)
        self._descriptor: int | None = None

    def take(self, problem: str) -> None:
        """Lock the run.

        Args:
            problem: what to say where another process has the lock.

        Raises:
            UserError: another process trains this run.
        """
        while True:
            descriptor = os.open(self._path, _FLAGS, 0o666)
            try:
                is_ours = try_lock(descriptor)
            except NoLocksError as error:
                os.close(descriptor)
                self.note = (
                    f"The file system of {self._run.root} has no locks ({error.strerror}): "
                    "a second process that trains this run is not kept out."
                )
                return
            except OSError:
                os.close(descriptor)
                raise
            if not is_ours:
                os.close(descriptor)
                raise UserError(problem)
            if _identity(descriptor) == _identity(self._path):
                self._descriptor = descriptor
                return
            os.close(descriptor)  # the file was deleted after it was opened

    def check(self) -> None:
        """Make sure that the run is where it was and that no other process trains it.

        A lock whose file was deleted is taken again.

        Raises:
            UserError: the directory was moved or replaced, or another process took over.
        """
        root = self._run.root
        if _identity(root) != self._root:
            raise UserError(
                f"run directory was moved or deleted while it was trained: {root} is not what it "
                "was. Nothing was written since its last line and checkpoint. Move it back, then "
                f"continue with `{command_line('resume', root)}`."
            )
        if self._descriptor is not None and _identity(self._path) != _identity(self._descriptor):
            self.release()
            self.take(
                f"run was taken over: the lock {self._path} was deleted, and another process "
                f"trains {root} now. This one ends and writes nothing more."
            )

    def release(self) -> None:
        """Let others have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def run_lock(run: RunDirectory) -> Iterator[RunLock]:
    """Lock a run on the first rank, and release it at the end.

    Raises:
        UserError: another process trains this run.
    """
    lock = RunLock(run)
    if rank_and_size()[0] == 0:
        lock.take(
            f"run is being trained: another process works on {run.root}. Wait for it, or stop it."
        )
    try:
        yield lock
    finally:
        lock.release()


def _identity(file: Path | int) -> tuple[int, int] | None:
    """What tells a file from others; `None` if there is none."""
    try:
        status = os.stat(file)  # noqa: PTH116  # takes both
    except OSError:
        return None
    return status.st_dev, status.st_ino
