"""The lock of a run: one process trains it, in the directory where it began."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.training.distributed import rank_and_size

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    flock = None  # type: ignore[assignment]

_HELD = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK}
_UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system without locks answers: Lustre and NFS by their mount options, FUSE, others."""


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
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if flock is None:
                    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
                flock(descriptor, LOCK_EX | LOCK_NB)
            except OSError as error:
                os.close(descriptor)
                if error.errno in _HELD:
                    raise UserError(problem) from None
                if error.errno not in _UNSUPPORTED:
                    raise
                self.note = (
                    f"The file system of {self._run.root} has no locks ({error.strerror}): "
                    "a second process that trains this run is not kept out."
                )
                return
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
                f"continue with `tidemask resume {root}`."
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
