"""What the system refuses, and memory that ran out: which it was, where, and what to do.

An `OSError` crosses the library as it is, with the path that it is about. The public functions and
the command line turn it into a `UserError` by `named_causes`. An error that no entry here explains
is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemask.errors import UserError, one_line

_WHAT_TO_DO = {
    errno.EAGAIN: "Raise the limit on processes and threads (`ulimit -u`) or use fewer workers",
    errno.EACCES: "Check the permissions of it and of the directories above it",
    errno.EBUSY: "End the program that uses it",
    errno.EDQUOT: "Make room, as your quota is used up",
    errno.EEXIST: "Choose another name or remove what is there",
    errno.EFBIG: "Raise the limit on the size of files (`ulimit -f`)",
    errno.EIO: "Check the disk or the network drive (`dmesg` may name the fault)",
    errno.EISDIR: "Name a file",
    errno.ELOOP: "Correct the symbolic links, which lead in a circle",
    errno.EMFILE: "Raise the limit on open files (`ulimit -n`) or use fewer workers",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ENFILE: "Close files of other programs, as the machine may open no more",
    errno.ENODEV: "Check the device",
    errno.ENOENT: "Check the path",
    errno.ENOSPC: "Make room",
    errno.ENOTCONN: "Check the network drive, which is not connected",
    errno.ENOTDIR: "Check the path, of which a part before the last is a file",
    errno.ENOTEMPTY: "Choose another name or remove what is there",
    errno.ENXIO: "Check the device",
    errno.EPERM: "Check the permissions of it and of the directories above it",
    errno.EREMOTEIO: "Check the disk or the network drive (`dmesg` may name the fault)",
    errno.EROFS: "Choose another place, as nothing can be written on this file system",
    errno.EADDRINUSE: "Choose another port, or end the program that uses it",
    errno.ECONNREFUSED: "Check the network, where nothing answers at that address",
    errno.ECONNRESET: "Check the network, which broke the connection",
    errno.EHOSTDOWN: "Check the network, where the other machine does not answer",
    errno.EHOSTUNREACH: "Check the network, where the other machine does not answer",
    errno.ESTALE: "Check the network drive, which no longer knows the file",
    errno.ETIMEDOUT: "Check the network, which does not answer",
    errno.ETXTBSY: "End the program that uses it",
}
"""What a user can do about what the system refuses; every other number is a defect of ours."""

_OF_PLACE = (
    errno.EDQUOT, errno.EIO, errno.ENOSPC, errno.ENOTCONN, errno.EREMOTEIO, errno.EROFS,
    errno.ESTALE,
)  # fmt: skip
"""What a disk or a network drive refuses, whatever is done there."""

_OF_RUST = re.compile(r"\(os error (\d+)\)")
_OF_TORCH = re.compile(r": ([A-Z][A-Za-z/ -]+) \((\d+)\)")
"""How libraries in other languages show the system's number: by itself, or after its words."""

_FEW_BYTES = 1 << 13
"""More than one page of a file system."""

_CIRCLE = "Symlink loop from "
"""How `Path.resolve` begins its error up to Python 3.12."""

_WITHOUT_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory",
    "std::bad_alloc", "CUDA out of memory", "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED", "killed by signal: Killed",
)  # fmt: skip
"""In the text of a `RuntimeError` of torch whose cause is that memory ran out; the last one is of a
worker process of its loaders, which the system killed."""


def errno_of(error: BaseException) -> int | None:
    """The system's number in an error or in those that caused it; `None` if it has none."""
    cause: BaseException | None = error
    while cause is not None:
        number = _own_errno(cause)
        if number is not None:
            return number
        cause = cause.__cause__
    return None


def _own_errno(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    text = str(error)
    if found := _OF_RUST.search(text):
        return int(found[1])
    if isinstance(error, OSError):  # of Arrow
        numbers = (*_WHAT_TO_DO, errno.ENOMEM)
        return next((n for n in numbers if text.endswith(f": {os.strerror(n)}")), None)
    if isinstance(error, RuntimeError) and text.startswith(_CIRCLE):
        return errno.ELOOP
    shown = ((int(number), words) for words, number in _OF_TORCH.findall(text))
    return next((number for number, words in shown if os.strerror(number) == words), None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, the system's, that of a device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if errno_of(error) == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and any(part in str(error) for part in _WITHOUT_MEMORY)


def raise_out_of_memory(error: BaseException) -> None:
    """Raise an error again if memory ran out: the first line of a handler that names another cause.

    Raises:
        Exception: the error itself.
    """
    if is_out_of_memory(error):
        raise error


def refusal(error: BaseException, place: str | Path | None = None) -> str | None:
    """What the system refused, as "PATH: No such file or directory. Check the path"; or `None`.

    `None` is returned for an error that is a defect of ours. The sentence has no end, so that a
    caller can say how to go on.

    Args:
        error: the system's, or that of a library which hides it.
        place: what it is about, for the user; the path of the error if left out.

    Example:
        >>> refusal(FileNotFoundError(2, "No such file or directory", "text.txt"))
        'text.txt: No such file or directory. Check the path'
    """
    number = errno_of(error)
    if number not in _WHAT_TO_DO:
        return None
    if place is None and not isinstance(error, OSError):
        return f"{one_line(error)}. {_WHAT_TO_DO[number]}"
    path = error.filename if place is None and isinstance(error, OSError) else place
    where = f"{os.fsdecode(path)}: " if isinstance(path, str | bytes | Path) else ""
    return f"{where}{os.strerror(number)}. {_WHAT_TO_DO[number]}"


def why_refused(error: OSError, place: str | Path) -> str:
    """As `refusal`; for an error that is not listed, what it says itself of `place`."""
    return refusal(error, place) or f"{place}: {error.strerror or one_line(error)}. Check it"


def is_refused_by_place(error: BaseException) -> bool:
    """Whether a disk or a network drive refused something, which says nothing of who asked.

    Either the system's number says it or, of a library that hides that, the sentence of `refusal`
    in the error that was made of it.
    """
    said = str(error)
    sentences = (f"{os.strerror(number)}. {_WHAT_TO_DO[number]}" for number in _OF_PLACE)
    return errno_of(error) in _OF_PLACE or any(sentence in said for sentence in sentences)


def refusal_of_writing(error: BaseException, directory: Path, place: Path) -> str | None:
    """Why a library could not write into a directory that is given up; `None` if it is a defect.

    Some libraries hide what the system said, so it is asked once more, by making the largest file
    longer. On a disk with room that succeeds, and the cause is another.

    Args:
        error: of the library.
        directory: where it was to write.
        place: what the directory would have become, for the user.
    """
    if is_out_of_memory(error):
        return f"{place}: out of memory. End other programs"
    return refusal(error, place) or _refusal_of_more(directory, place)


def _refusal_of_more(directory: Path, place: Path) -> str | None:
    files = [path for path in directory.rglob("*") if path.is_file()]
    if not directory.is_dir():
        return None
    try:
        largest = max(files, key=lambda path: path.stat().st_size, default=directory / "more")
        with largest.open("ab", buffering=0) as file:
            file.write(bytes(1 << 20))
            file.write(bytes(1))  # after a part of the first had room
            os.fsync(file.fileno())
    except OSError as error:
        return refusal(error, place)
    return None


def refusal_of_room(directory: Path) -> str | None:
    """Why a directory takes no more files, as `refusal` says it; `None` if it does."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(_FEW_BYTES))
            file.flush()
    except OSError as error:
        return refusal(error, directory)
    return None


@contextmanager
def naming_place(path: str | Path) -> Iterator[None]:
    """Give a path to errors of the system that have none, as those of writing have."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def named_causes(to_save_memory: str) -> Iterator[None]:
    """Turn what the system refuses, and memory that ran out, into a `UserError`; also a decorator.

    Args:
        to_save_memory: a sentence on what to lower where memory ran out.

    Raises:
        UserError: for an error that `refusal` or `is_out_of_memory` knows. Others stay.

    Example:
        >>> with named_causes("Use fewer workers."):
        ...     raise MemoryError
        Traceback (most recent call last):
        tidemask.errors.UserError: out of memory. Use fewer workers.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each library has its own for memory and for the system
        if is_out_of_memory(error):
            said = f": {one_line(error)}" if str(error) else ""
            raise UserError(f"out of memory{said}. {to_save_memory}") from error
        if refused := refusal(error):
            raise UserError(f"{refused}, then give the command again.") from error
        raise
