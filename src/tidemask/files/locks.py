"""The lock of an open file, which ends with the processes that have it open, killed or not."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemask.errors import UserError
from tidemask.system_errors import why_refused

if sys.platform != "win32":
    import fcntl

_HELD = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK}
_UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system without locks answers: Lustre and NFS by their mount options, FUSE, others."""


class NoLocksError(OSError):
    """The system, or the file system of a file, has no locks."""


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Whether nobody else holds the lock, which is held by this process from then on.

    Args:
        descriptor: an open file.
        shared: whether others may hold it likewise, as those who only look at it do.

    Raises:
        NoLocksError: there are none here.
        OSError: the system could not say.
    """
    if sys.platform == "win32":
        raise NoLocksError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno in _UNSUPPORTED:
            raise NoLocksError(error.errno, error.strerror) from None
        raise
    return True


@contextmanager
def only_process(lock: Path, *, what: str, held: str) -> Iterator[None]:
    """Keep other processes from a block by the lock of a file; its directory is made.

    Where there are no locks, nothing keeps them.

    Args:
        lock: the file; it stays.
        what: cannot be made or changed where the file cannot be written.
        held: the message where another process is in its block.

    Raises:
        UserError: another process is, or the file cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        refused = why_refused(error, lock.parent)
        raise UserError(f"{what} cannot be made or changed: {refused}.") from error
    try:
        try:
            is_ours = try_lock(descriptor)
        except NoLocksError:
            is_ours = True
        if not is_ours:
            raise UserError(held)
        yield
    finally:
        os.close(descriptor)
