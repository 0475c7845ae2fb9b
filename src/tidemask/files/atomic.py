"""Files and directories that are whole or absent: written aside, then renamed into place.

What is written aside lies beside its place, on the same file system, under a hidden name; what a
process left that was killed is removed by the next that writes to the same place. A directory that
exists is never replaced, since it may be a link, a mount point, or where the user's shell is: what
is written aside lies in it then, and its parts are moved one by one at the end. A process that is
killed between two such moves leaves the rest to the next that writes there, which moves it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.claims import claimed_beside, clear_abandoned, is_of_claim
from tidemask.files.locks import NoLocksError, try_lock
from tidemask.files.moves import finish_moves, move_parts
from tidemask.files.paths import check_utf8
from tidemask.system_errors import refusal, why_refused

_CANNOT_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF}
"""What file systems answer that do not sync directories."""

WITHIN = "tidemask"
"""What is written aside within a directory is called so: `.tidemask.*.tmp`, `.tidemask.partial`."""

PARTIAL, LOCK = ".partial", ".partial.lock"
"""Endings of what is written aside for long, and gone on with; see `continued.py`."""

PROGRESS = ".progress"
"""Directory within it of what is noted to go on with; removed at the end."""


def write_atomically(
    path: Path,
    content: str | bytes,
    *,
    what: str = "file",
    then: str = "give the command again",
) -> None:
    """Write a file aside, force it to the disk and rename it: it is old or new, never half.

    Args:
        path: of the file; replaced if it exists.
        content: text is written as UTF-8.
        what: the message calls it so.
        then: how to go on once there is room for it.

    Raises:
        UserError: it could not be written; what was there is as it was.
    """
    try:
        with claimed_beside(path) as aside:
            with aside.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
    except OSError as error:
        if (refused := refusal(error, path)) is None:
            raise
        raise UserError(f"{what} not written: {refused}, then {then}.") from error


def append_whole(path: Path, content: bytes) -> None:
    """Add to a file, which is made if it is missing; on an error it is as it was.

    Raises:
        OSError: it could not be written.
    """
    size = path.stat().st_size if path.is_file() else None
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError:
        if size is not None:
            os.truncate(path, size)
        elif path.is_file():
            path.unlink()
        raise


def check_new_directory(path: Path) -> None:
    """Check that `path` does not exist, or is an empty directory.

    What processes that were killed left within it is moved into its place or removed before.

    Raises:
        UserError: something is there.
    """
    if path.is_dir():
        clear_abandoned(path / WITHIN)
        _finish_partial(path / f".{WITHIN}{PARTIAL}", path / f".{WITHIN}{LOCK}")
    if path.is_dir() and not all(_is_aside(entry) for entry in path.iterdir()):
        raise UserError(
            f"output directory is not empty: {path}. Expected a new or an empty one. "
            "Choose another, or remove it."
        )
    check_is_directory(path)


def _is_aside(entry: Path) -> bool:
    """Whether something in a directory is what is written aside in it."""
    names = (f".{WITHIN}{PARTIAL}", f".{WITHIN}{LOCK}")
    return is_of_claim(entry, WITHIN) or entry.name in names


def _finish_partial(aside: Path, lock: Path) -> None:
    """Move what a killed process had begun to move out of a directory that was whole."""
    if not aside.is_dir():
        return
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:  # another user's
        return
    try:
        with suppress(NoLocksError):
            if try_lock(descriptor) and finish_moves(aside):
                aside.rmdir()
                shutil.rmtree(aside.parent / PROGRESS, ignore_errors=True)
                lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def check_is_directory(path: Path) -> None:
    """Check that `path` does not exist, or is a directory.

    Raises:
        UserError: a file or a link that leads nowhere is there.
    """
    if (path.exists() or path.is_symlink()) and not path.is_dir():
        raise UserError(f"output is a file: {path}. Expected a new directory. Choose another.")


@contextmanager
def checked_place(path: Path) -> Iterator[Path]:
    """Check that a directory can be made at `path`, whose absolute form is given.

    Parents that were made for it are removed again where the block fails.

    Raises:
        UserError: `path` is a file, a directory that is not empty, or not UTF-8.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() follows links
    check_utf8(str(path), "out")  # libraries that write into it take nothing else
    check_new_directory(path)
    missing = [parent for parent in path.parents if not parent.exists()]
    try:
        yield path
    except BaseException:
        for parent in missing:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        raise


@contextmanager
def new_directory(path: Path, *, last: str = "") -> Iterator[Path]:
    """Give a directory to write into, which becomes `path` at the end, or is removed on failure.

    Any exception counts as a failure, those of the keyboard and of signals too; parents that were
    made for it are removed with it.

    Args:
        path: of the directory; one that exists and is empty is filled.
        last: the file by which readers know that the directory is whole; moved after all else
            where `path` exists.

    Raises:
        UserError: `path` is a file or a directory that is not empty, or cannot be made.
    """
    with checked_place(path) as path, ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            place = path / WITHIN if path.is_dir() else path
            aside = stack.enter_context(claimed_beside(place))
            aside.mkdir()
        except OSError as error:
            raise UserError(
                f"cannot make the output directory: {why_refused(error, path)}."
            ) from error
        with named_outside(aside, path):
            yield aside
            follow_umask(aside)
            check_new_directory(path)
            if aside.parent == path:
                move_parts(aside, last)
            else:
                aside.rename(path)


@contextmanager
def named_outside(aside: Path, path: Path) -> Iterator[None]:
    """Name the place that a user knows in errors of the system about what is written aside."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each library has its own for a full disk
        about = getattr(error, "filename", None)
        if isinstance(about, str | bytes) and not os.fsdecode(about).startswith(str(aside)):
            raise
        if (refused := refusal(error, path)) is None:
            raise
        raise UserError(f"output not written: {refused}, then give the command again.") from error


def sync(path: Path) -> None:
    """Force a file, or the list of names of a directory, to the disk.

    Some file systems (of network drives, FUSE) cannot do the latter and say so; there is nothing
    to do about it.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if not path.is_dir() or error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(handle)


def follow_umask(directory: Path) -> None:
    """Let those read and write the files of a new directory who may do so with the directory.

    safetensors, for one, makes files that their owner alone may read, whatever the umask.
    """
    mode = directory.stat().st_mode & 0o666
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(mode)


def sync_tree(directory: Path) -> None:
    """Force a directory and all that is in it to the disk."""
    for path in directory.rglob("*"):
        sync(path)
    sync(directory)
