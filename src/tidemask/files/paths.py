"""Paths that a user gives, and files that can be read to an end.

An empty string would be the present directory, a name that is not UTF-8 could not be written into
a run.yaml or a page, and a pipe or a device would be read for ever: all are refused at once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.settings import python_value, shown
from tidemask.system_errors import why_refused

PATHS = (str, os.PathLike)
"""Types of a path."""

CONVERT_TEXT = "Convert the text to UTF-8."
"""What to do with a text that is not UTF-8."""

_KINDS = {
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What a file may be that is neither a plain one nor a directory."""


def one_or_several(value: Any, argument: str, kinds: tuple[type, ...], expected: str) -> list[Any]:
    """What a user gave alone or as several, as a list.

    Args:
        value: one thing, or a collection of them.
        argument: what the message calls it.
        kinds: types of a thing.
        expected: what the message asks for.

    Raises:
        UserError: it is neither, or one of them is of another type.

    Example:
        >>> one_or_several("runs/first", "runs", (str,), "paths")
        ['runs/first']
    """
    value = python_value(value)
    given = [value] if isinstance(value, kinds) else value
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        listed = list(map(python_value, given))
        if all(isinstance(each, kinds) and not isinstance(each, bool) for each in listed):
            return listed
        given = next(each for each in listed if not isinstance(each, kinds) or each is True)
    raise UserError(f"unusable value: {argument}={shown(given)}. Expected {expected}.")


def given_path(value: str | os.PathLike[str], argument: str) -> Path:
    """The path that a user wrote, with `~` as the home directory.

    Nothing is asked of the file system.

    Args:
        value: what was written.
        argument: what the message calls it, such as `out` or `--out`.

    Raises:
        UserError: it is empty or no path, has a NUL in it, is not UTF-8, or names the home of a
            user who does not exist.

    Example:
        >>> given_path("runs/first", "out").as_posix()
        'runs/first'
        >>> given_path("", "out")
        Traceback (most recent call last):
        tidemask.errors.UserError: empty path: out=''. Expected a file or directory. ...
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise UserError(f"not a path: {argument}={value!r}. Expected a string or a Path.")
    text = os.fspath(value)
    if not text.strip():
        raise UserError(
            f"empty path: {argument}={text!r}. Expected a file or directory. Name one; the present "
            "directory is `.`, and a variable of the shell that is not set gives an empty path."
        )
    check_utf8(text, argument)
    if "\0" in text:
        raise UserError(f"not a path: {argument}={text!r}. Expected a name without a NUL in it.")
    path = Path(text)
    if str(path).startswith("~") and not text.startswith("~"):
        return path.absolute()  # `./~` is a file of that name, but pathlib forgets the `./`
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UserError(
            f"no home directory: {argument}={text}: {error} Write the path in full."
        ) from error


def named(path: Path) -> Path:
    """The path with the name of its directory last, where it ends in `.` or `..`.

    Example:
        >>> from pathlib import Path
        >>> from tidemask.files.paths import named
        >>> named(Path("runs/first")).as_posix()
        'runs/first'
        >>> named(Path("..")) == Path.cwd().parent
        True
    """
    return path.resolve() if path.name in ("", "..") else path


def check_utf8(text: str, argument: str, advice: str = "Rename the file.") -> None:
    r"""Refuse text that cannot be written as UTF-8.

    What was not UTF-8 on a command line or in a directory stands in Python as lone surrogates, as
    does half of a pair in JSON.

    Args:
        text: a path or a text.
        argument: what the message calls it.
        advice: what to do; that for a path if left out.

    Raises:
        UserError: it has a lone surrogate.

    Example:
        >>> check_utf8("caf\udce9", "--out")
        Traceback (most recent call last):
        tidemask.errors.UserError: not UTF-8: --out='caf\udce9', character 3. ...
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        begin = max(0, error.start - 20)
        shown = ascii(text[begin : error.end + 20])
        raise UserError(
            f"not UTF-8: {argument}={shown}, character {error.start}. Expected text in UTF-8. "
            f"{advice}"
        ) from error


def check_plain_file(path: Path) -> None:
    """Refuse what would be read for ever or never: a pipe, a socket or a device, links followed.

    What does not exist or is a directory passes: who opens it says so better.

    Raises:
        UserError: it is one of those.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return
    if kind in _KINDS:
        raise UserError(
            f"not a file: {path} is {_KINDS[kind]}. Expected a plain file. Write what it gives "
            "into one, and name that."
        )


def check_readable_files(directory: Path) -> None:
    """Refuse a directory in which a file cannot be opened, once a library has failed to read it.

    Raises:
        UserError: names the first such file, and what the system says of it.
    """
    for path in sorted(directory.iterdir()):
        if path.is_file():
            try:
                path.open("rb").close()
            except OSError as error:
                raise UserError(f"cannot read: {why_refused(error, path)}.") from error


def check_plain_files(directory: Path) -> None:
    """`check_plain_file` of what is in a directory that a library will read, three levels deep."""
    for pattern in ("*", "*/*", "*/*/*"):
        for path in directory.glob(pattern):
            check_plain_file(path)
