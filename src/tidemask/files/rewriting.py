"""Directories that a command writes again: its own files are replaced, all others stay.

A hidden file in the directory lists what the command wrote. Each file is old or new at every
moment; the one by which readers know the directory is replaced last.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.atomic import check_new_directory, new_directory, write_atomically
from tidemask.reading import MAX_LIST_BYTES, read_text
from tidemask.system_errors import refusal


def is_own(path: Path, marker: str) -> bool:
    """Whether a directory was written by the command that leaves `marker` in it."""
    return (path / marker).is_file()


def check_own_or_new(path: Path, marker: str) -> None:
    """Check that `path` is a new place, an empty directory, or one of the command's own.

    Raises:
        UserError: something else is there.
    """
    if not is_own(path, marker):
        check_new_directory(path)


@contextmanager
def own_directory(path: Path, *, marker: str, last: str) -> Iterator[Path]:
    """Give a directory to write into, whose files become those of `path` at the end.

    Where the block fails, `path` is as it was.

    Args:
        path: of the directory; new, empty, or written in this way before.
        marker: name of the file that lists what was written.
        last: the file by which readers know that the directory is whole.

    Raises:
        UserError: something else is at `path`, or it cannot be written.
    """
    if not is_own(path, marker):
        with new_directory(path, last=last) as aside:
            yield aside
            (aside / marker).write_text(_listing(_files(aside)), encoding="utf-8")
        return
    before = _listed(path, marker)
    _check_no_way_out(path, before)
    shutil.rmtree(path / f"{marker}.new", ignore_errors=True)  # of a process that was killed
    with new_directory(path / f"{marker}.new") as aside:
        yield aside
    written = _files(path / f"{marker}.new")
    _check_no_way_out(path, written)
    write_atomically(path / marker, _listing([*written, *before]))
    try:
        _replace(path / f"{marker}.new", path, sorted(written, key=lambda name: name == last))
        for name in set(before) - set(written):
            (path / name).unlink(missing_ok=True)
    except OSError as error:
        if (refused := refusal(error, path)) is None:
            raise
        raise UserError(f"output not written: {refused}, then give the command again.") from error
    write_atomically(path / marker, _listing(written))


def _files(root: Path) -> list[str]:
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


def _listing(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in sorted(set(names)))


def _listed(path: Path, marker: str) -> list[str]:
    """What was written before; nothing outside of `path` whatever the file says."""
    names = read_text(path / marker, MAX_LIST_BYTES, "damaged list of files").splitlines()
    for name in names:
        is_within = name and not Path(name).is_absolute() and ".." not in Path(name).parts
        if not is_within or "\0" in name:
            raise UserError(
                f"damaged list of files: {path / marker}: {name!r}. Expected names within the "
                "directory. Delete the directory."
            )
    return names


def _check_no_way_out(path: Path, names: Iterable[str]) -> None:
    """Refuse a link to a directory elsewhere, through which files there would be replaced."""
    for parent in {(path / name).parent for name in names}:
        if not parent.resolve().is_relative_to(path.resolve()):
            raise UserError(
                f"output leads elsewhere: {parent} is {parent.resolve()}. Expected directories "
                "within the one for the output. Remove the link, or choose another directory."
            )


def _replace(source: Path, target: Path, names: Iterable[str]) -> None:
    """Move files over those of the same names, and remove the directories that held them."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(target / name)
    for directory in sorted((path for path in source.rglob("*") if path.is_dir()), reverse=True):
        directory.rmdir()
    source.rmdir()
