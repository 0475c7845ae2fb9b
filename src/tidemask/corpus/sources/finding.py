"""Which files patterns name: files, directories, globs, and what `datasets` saves to a directory.

What lies in a directory or matches a glob and is not read is counted by its ending, so that nothing
is left out in silence.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidemask.corpus.sources.formats import Format, ending_of, expected_endings, format_of
from tidemask.corpus.sources.saved_datasets import is_saved_dataset, saved_files
from tidemask.errors import UserError
from tidemask.files.paths import check_plain_file, check_utf8, given_path
from tidemask.system_errors import why_refused


@dataclass(frozen=True)
class InputFile:
    """A file that documents are read from.

    Attributes:
        path: where it lies.
        format: what it holds.
        name: what messages, documents and the manifest call it.
        found_in: the directory in which, or below which, it was found; `None` where it was named.
    """

    path: Path
    format: Format
    name: str
    found_in: Path | None = None


@dataclass
class FoundFiles:
    """The files that patterns name, in a fixed order, each of them once.

    Attributes:
        files: by where they really lie.
        num_skipped: files that are not read, by their ending.
        notes: what a user should know of the choice of files.
    """

    files: dict[Path, InputFile] = field(default_factory=dict)
    num_skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def add(self, pattern: str | Path) -> None:
        """Find the files of one more pattern.

        A file named twice is read once. Hidden files are passed over in directories. Links are
        followed.

        Raises:
            UserError: the pattern is empty, names nothing, or nothing with a known ending; a file's
                name is not UTF-8; a directory cannot be read.
        """
        path = given_path(pattern, "text")
        if path.is_dir():
            self._add_directory(path)
        elif path.exists():
            check_plain_file(path)
            if format_of(path) is None:
                raise UserError(f"unknown file ending: {path}. {expected_endings()}")
            self._add_files([path])
        else:
            self._add_matches(path)

    def add_file(self, file: InputFile) -> None:
        """Add one that is not named by a pattern."""
        self.files.setdefault(file.path.resolve(), file)

    def skipped_note(self) -> str | None:
        """A sentence on the files that are not read; `None` if there are none."""
        if not self.num_skipped:
            return None
        return f"Files that are not read, by their endings: {_listed(self.num_skipped)}."

    def _add_directory(self, directory: Path) -> None:
        before = self.num_skipped.copy()
        files = self._below(directory)
        if not files:
            skipped = self.num_skipped - before
            has = f" It has {_listed(skipped)}." if skipped else ""
            raise UserError(
                f"no text file in the directory: {directory}.{has} {expected_endings()}"
            )
        self._add_files(files, found_in=directory)

    def _add_matches(self, pattern: Path) -> None:
        is_glob = glob.has_magic(str(pattern))
        if is_glob:
            _check_readable_above(pattern)
        matches = sorted(glob.glob(str(pattern), recursive=True))  # noqa: PTH207
        if not matches:
            what = "no file matches" if is_glob else "no such file"
            raise UserError(
                f"{what}: {pattern}. Expected a file, a directory, a glob, a data set of the hub "
                "(hf:NAME) or - for standard input. Check the spelling."
            )
        files: set[Path] = set()
        for match in map(Path, matches):
            if match.is_dir():
                files.update(self._below(match))
            elif match.is_file():
                files.update(self._known([match]))
        if not files:
            raise UserError(
                f"unknown file ending: {matches[0]} (from {pattern}). {expected_endings()}"
            )
        self._add_files(sorted(files), found_in=_searched(pattern) if is_glob else None)

    def _add_files(self, paths: Iterable[Path], *, found_in: Path | None = None) -> None:
        for path in paths:
            check_utf8(str(path), "text")
            found = format_of(path)
            if found is not None:
                self.add_file(InputFile(path, found, str(path), found_in))

    def _known(self, paths: Sequence[Path]) -> list[Path]:
        """Those with a known ending; the others are counted."""
        self.num_skipped.update(ending_of(path) for path in paths if format_of(path) is None)
        return [path for path in paths if format_of(path) is not None]

    def _below(self, directory: Path) -> list[Path]:
        """The files in a directory and in those below it; each directory is read once.

        A directory is read under its own name where it has one here; links come after all others.
        """
        files: list[Path] = []
        waiting, links = [directory], list[Path]()
        seen: set[str] = set()
        while waiting or links:
            here = waiting.pop() if waiting else links.pop(0)
            if (real := os.path.realpath(here)) in seen:
                continue
            seen.add(real)
            entries = _entries(here)
            if is_saved_dataset(here):
                saved, notes = saved_files(here)
                files += saved
                self.notes += notes
                continue
            for path in entries:
                if path.is_dir():
                    (links if path.is_symlink() else waiting).append(path)
            files += self._known([path for path in entries if path.is_file()])
        return sorted(files)


def _listed(num_by_ending: Counter[str]) -> str:
    return ", ".join(f"{number:,} {ending}" for ending, number in num_by_ending.most_common())


def _searched(pattern: Path) -> Path:
    """The directory that a glob looks into."""
    return next(above for above in pattern.parents if not glob.has_magic(str(above)))


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"cannot read: {why_refused(error, directory)}.") from error


def _check_readable_above(pattern: Path) -> None:
    """Refuse a glob that lists a directory which cannot be, and is left out in silence."""
    for part, below in zip(pattern.parents, (pattern, *pattern.parents), strict=False):
        if part.name != "**" and not glob.has_magic(below.name):
            continue
        for match in glob.iglob(str(part), recursive=True):  # noqa: PTH207
            if os.path.isdir(match):  # noqa: PTH112  # False for what cannot be asked
                try:
                    os.scandir(match).close()
                except OSError as error:
                    raise UserError(f"cannot read: {why_refused(error, match)}.") from error
