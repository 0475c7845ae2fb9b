"""The lock of an open file, which ends with the processes that have it open, killed or not."""

from __future__ import annotations

import errno
import os
import sys

if sys.platform != "win32":
    import fcntl

_HELD = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK}
_UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system without locks answers: Lustre and NFS by their mount options, FUSE, others."""


class NoLocksError(OSError):
    """The system, or the file system of a file, has no locks."""


def try_lock(descriptor: int) -> bool:
    """Whether nobody else holds the lock, which is held by this process from then on.

    Raises:
        NoLocksError: there are none here.
        OSError: the system could not say.
    """
    if sys.platform == "win32":
        raise NoLocksError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno in _UNSUPPORTED:
            raise NoLocksError(error.errno, error.strerror) from None
        raise
    return True
