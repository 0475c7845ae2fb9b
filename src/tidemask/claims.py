"""Claims: hidden files whose lock a process holds while it writes, so that others know it lives.

What is written aside by a process that was killed would stay for ever. Its claim has no holder any
more, whatever process has its number by then, so the next one that writes to the same place takes
both away. Where the system or the file system has no locks, nothing is taken away.
"""

from __future__ import annotations

import glob
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

CLAIM, ASIDE = ".claim.tmp", ".tmp"
"""Endings of the name of a claim, and of what is written aside under it."""


@contextmanager
def claimed_beside(path: Path) -> Iterator[Path]:
    """A hidden place beside `path` to write `path` aside, for as long as this process lives.

    Nothing is there at first. What is there at the end is removed. The directory must exist.
    """
    clear_abandoned(path)
    base = f".{path.name}.{secrets.token_hex(4)}"
    claim, aside = path.with_name(base + CLAIM), path.with_name(base + ASIDE)
    descriptor = _hold(claim)
    try:
        yield aside
    finally:
        _remove(aside)
        claim.unlink(missing_ok=True)
        os.close(descriptor)


def clear_abandoned(path: Path) -> None:
    """Remove what processes that are gone have left beside `path`."""
    for claim in path.parent.glob(f".{glob.escape(path.name)}.*{CLAIM}"):
        try:
            descriptor = os.open(claim, os.O_RDWR)
        except OSError:  # it is gone, or another user's
            continue
        try:
            if _lock(descriptor):
                _remove(claim.with_name(claim.name.removesuffix(CLAIM) + ASIDE))
                claim.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _hold(claim: Path) -> int:
    """Make a claim and lock it; another process may clear it in between, so it is made again."""
    while True:
        descriptor = os.open(claim, os.O_RDWR | os.O_CREAT, 0o666)
        _lock(descriptor)
        if claim.exists():
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether nobody holds the lock, which is this process's from then on."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is held, or there are no locks here
        return False
    return True


def _remove(aside: Path) -> None:
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink(missing_ok=True)
