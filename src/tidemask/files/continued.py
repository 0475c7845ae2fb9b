"""Directories that are written over a long time, and gone on with after an interruption.

As with `atomic.new_directory` the directory is whole or absent. What is written aside lies beside
its place under one hidden name, `.NAME.partial`, and stays there when the process that writes it is
ended, so that the next that writes to the same place finds it. A lock keeps two from writing it;
where there are no locks, nothing stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from tidemask.errors import UserError
from tidemask.files.atomic import (
    LOCK,
    PARTIAL,
    PROGRESS,
    WITHIN,
    check_new_directory,
    checked_place,
    follow_umask,
    named_outside,
    new_directory,
)
from tidemask.files.locks import NoLocksError, try_lock
from tidemask.files.moves import move_parts
from tidemask.system_errors import why_refused

_BEGUN = "begun.json"


@dataclass(frozen=True)
class ContinuedDirectory:
    """A directory that is written aside.

    Attributes:
        path: where it lies; it exists.
    """

    path: Path

    @property
    def progress(self) -> Path:
        """Directory of notes on what is finished."""
        return self.path / PROGRESS

    @property
    def begun(self) -> Path:
        """The note that there is something to go on with, and with what; absent at first."""
        return self.progress / _BEGUN

    def clear(self) -> None:
        """Begin from the start: remove all that is in it."""
        self.begun.unlink(missing_ok=True)
        rmtree(self.path)
        self.progress.mkdir(parents=True)


@contextmanager
def continued_directory(path: Path, *, last: str) -> Iterator[ContinuedDirectory]:
    """Give a directory to write into, which becomes `path` at the end, with what was left of it.

    On any exception, those of the keyboard and of signals too, what is written stays if there is
    its note `begun`, and is removed else; parents that were made for it are removed with it.

    Args:
        path: of the directory; one that exists and is empty is filled.
        last: the file by which readers know that the directory is whole; moved after all else
            where `path` exists.

    Raises:
        UserError: `path` is a file or a directory that is not empty, or cannot be made; another
            process writes to it.
    """
    with checked_place(path) as path:
        place = path / WITHIN if path.is_dir() else path
        with _only_writer(place, path) as has_locks:
            if has_locks:
                with _kept_aside(place.with_name(f".{place.name}{PARTIAL}"), path, last) as given:
                    yield given
            else:
                with new_directory(path, last=last) as aside:
                    given = ContinuedDirectory(aside)
                    given.progress.mkdir()
                    yield given
                    rmtree(given.progress)


@contextmanager
def _kept_aside(aside: Path, path: Path, last: str) -> Iterator[ContinuedDirectory]:
    given = ContinuedDirectory(aside)
    try:
        given.progress.mkdir(parents=True, exist_ok=True)
        with named_outside(aside, path):
            yield given
            follow_umask(aside)
            check_new_directory(path)
            if aside.parent == path:
                move_parts(aside, last)
                rmtree(aside)
            else:
                aside.rename(path)
            rmtree(path / PROGRESS)
    except BaseException:
        if not given.begun.is_file():
            rmtree(aside, ignore_errors=True)
        raise


@contextmanager
def _only_writer(place: Path, path: Path) -> Iterator[bool]:
    """Keep other processes from writing to a place; gives whether there are locks at all."""
    lock = place.with_name(f".{place.name}{LOCK}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"cannot make the output directory: {why_refused(error, path)}.") from error
    try:
        try:
            is_ours = try_lock(descriptor) and lock.exists()
        except NoLocksError:
            lock.unlink(missing_ok=True)
            yield False
            return
        if not is_ours:
            raise UserError(
                f"another process writes to the output directory: {path}. Expected one at a time. "
                "Wait for it, or choose another directory."
            )
        try:
            yield True
        finally:
            lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
