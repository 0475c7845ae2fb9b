"""Claims: hidden files whose lock a process holds while it writes, so that others know it lives.

What is written aside by a process that was killed would stay for ever. Its claim has no holder any
more, whatever process has its number by then, so the next one that writes to the same place takes
both away; of a directory whose parts were being moved into place, it moves the rest. Where the
system or the file system has no locks, nothing is taken away or moved.
"""

from __future__ import annotations

import glob
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tidemask.files.locks import NoLocksError, try_lock
from tidemask.files.moves import finish_moves

CLAIM, ASIDE = ".claim.tmp", ".tmp"
"""Endings of the name of a claim, and of what is written aside under it."""


@contextmanager
def claimed_beside(path: Path) -> Iterator[Path]:
    """A hidden place beside `path` to write `path` aside, for as long as this process lives.

    Nothing is there at first. What is there at the end is removed. The directory must exist.
    """
    clear_abandoned(path)
    claim, descriptor = _new_claim(path)
    aside = _aside_of(claim)
    try:
        yield aside
    finally:
        _remove(aside)
        claim.unlink(missing_ok=True)
        os.close(descriptor)


def clear_unheld(directory: Path) -> None:
    """Remove what was written aside in a directory, unless a process that lives writes it.

    What lies aside without a claim is taken away too; who writes it must be kept out otherwise.
    """
    asides = [path for path in directory.glob(f".*{ASIDE}") if not path.name.endswith(CLAIM)]
    for claim in directory.glob(f".*{CLAIM}"):
        name, _, _ = claim.name.removeprefix(".").removesuffix(CLAIM).rpartition(".")
        clear_abandoned(directory / name)
    for aside in asides:
        if not aside.with_name(aside.name.removesuffix(ASIDE) + CLAIM).exists():
            _remove(aside)


def clear_abandoned(path: Path) -> None:
    """Remove what processes that are gone have left beside `path`, or finish what they moved."""
    for claim in path.parent.glob(f".{glob.escape(path.name)}.*{CLAIM}"):
        try:
            descriptor = os.open(claim, os.O_RDWR)
        except OSError:  # it is gone, or another user's
            continue
        try:
            with suppress(NoLocksError):
                if try_lock(descriptor):
                    finish_moves(_aside_of(claim))
                    _remove(_aside_of(claim))
                    claim.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def is_of_claim(path: Path, name: str) -> bool:
    """Whether `path` is by its name a claim to a place called `name`, or written under one."""
    return (
        re.fullmatch(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}(\.claim)?\.tmp", path.name) is not None
    )


def _new_claim(path: Path) -> tuple[Path, int]:
    """Make a claim beside `path` that this process holds, and its descriptor.

    Before it is locked, another process may find it without a holder and take it away, with what
    lies aside under its name; so it is given up and another made.
    """
    while True:
        claim = path.with_name(f".{path.name}.{secrets.token_hex(4)}{CLAIM}")
        descriptor = os.open(claim, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            is_ours = try_lock(descriptor) and claim.exists()
        except NoLocksError:
            is_ours = True  # nobody can take it away
        except BaseException:
            os.close(descriptor)
            claim.unlink(missing_ok=True)
            raise
        if is_ours:
            return claim, descriptor
        os.close(descriptor)


def _aside_of(claim: Path) -> Path:
    return claim.with_name(claim.name.removesuffix(CLAIM) + ASIDE)


def _remove(aside: Path) -> None:
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink(missing_ok=True)
