"""Files to documents: which files, and where a document begins and ends.

A document is a run of lines that are not blank; blank lines separate documents. The text is kept
as it stands, line breaks and all. A document longer than `MAX_DOCUMENT_WORDS` is cut at line
breaks into passages of about `MIN_PASSAGE_WORDS`, each a document of its own: a book without blank
lines can then be split into training and held-out text, and memory stays flat.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemask.corpus.sources.decoding import read_lines
from tidemask.errors import UserError
from tidemask.files.notes import FileNote
from tidemask.files.paths import check_plain_file, check_utf8, given_path
from tidemask.system_errors import why_refused

KNOWN_ENDINGS: tuple[str, ...] = (".txt", ".txt.gz", ".txt.xz")
"""What the name of a text file ends in, upper or lower case."""

MAX_DOCUMENT_WORDS = 4_000
"""Words above which a document is cut into passages."""

MIN_PASSAGE_WORDS = 1_000
"""Minimum words of such a passage; the line that completes it stays whole."""


@dataclass(frozen=True)
class Document:
    """A continuous text.

    Attributes:
        text: its characters, not empty.
        source: the file or package it comes from.
        held_out: whether it belongs to the held-out split; `None` leaves that to its content hash.
    """

    text: str
    source: str
    held_out: bool | None = None


@dataclass(frozen=True, kw_only=True)
class TextSource:
    """What a corpus was made from, for its manifest: path, size in bytes, SHA-256 (hexadecimal)."""

    path: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class TextFiles:
    r"""Text files in a fixed order; calling it streams their documents from the beginning.

    Example:
        >>> from pathlib import Path
        >>> import tempfile
        >>> directory = Path(tempfile.mkdtemp())
        >>> _ = (directory / "two.txt").write_text("One line.\nAnother.\n\nThe second.\n")
        >>> [document.text for document in TextFiles.find([directory])()]
        ['One line.\nAnother.', 'The second.']
    """

    paths: tuple[Path, ...]
    notes: tuple[FileNote, ...]
    """How each file was when it was found."""

    @classmethod
    def find(cls, patterns: Sequence[str | Path]) -> TextFiles:
        """The files that `patterns` name: files, directories (recursive, sorted) and globs.

        A file named twice is read once. Hidden files and files with other endings are skipped
        in directories and where a glob also matches text files. Links are followed.

        Raises:
            UserError: a pattern is empty, names nothing, or nothing with a known ending; a file's
                name is not UTF-8; a directory cannot be read.
        """
        found: dict[Path, Path] = {}
        for pattern in patterns:
            for path in _matches(pattern):
                check_utf8(str(path), "text")
                found.setdefault(path.resolve(), path)
        if not found:
            raise UserError("no text: no file was named. Expected files, directories or globs.")
        paths = tuple(found.values())
        return cls(paths, tuple(map(FileNote.of, paths)))

    def __call__(self) -> Iterator[Document]:
        """Stream the documents; see the module for what a document is.

        Raises:
            UserError: a file is binary, not UTF-8, damaged or truncated, or no file has any text;
                or one changed since it was found, so that two readings may differ.
        """
        empty = True
        for path, note in zip(self.paths, self.notes, strict=True):
            for text in _documents(read_lines(path)):
                empty = False
                yield Document(text, str(path))
            if difference := note.difference(path):
                raise UserError(
                    f"text changed while it was read: {path} {difference}. "
                    "Give the command again when nothing writes to it."
                )
        if empty:
            names = ", ".join(str(path) for path in self.paths[:3])
            more = f" and {len(self.paths) - 3} more" if len(self.paths) > 3 else ""
            raise UserError(
                f"empty text: {names}{more}. Expected at least one line that is not blank. "
                "Name files with text in them."
            )

    def sources(self) -> tuple[TextSource, ...]:
        """Path, size and hash of every file as it is on disk, compressed or not."""
        return tuple(_describe(path) for path in self.paths)


def _matches(pattern: str | Path) -> list[Path]:
    path = given_path(pattern, "text")
    if path.is_dir():
        files = _text_files_below(path)
        if not files:
            raise UserError(f"no text file in the directory: {path}. {_expected_endings()}")
        return files
    if path.exists():
        check_plain_file(path)
        if not _has_known_ending(path):
            raise UserError(f"unknown file ending: {path}. {_expected_endings()}")
        return [path]
    if glob.has_magic(str(path)):
        _check_readable_above(path)
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
    if not matches:
        what = "no file matches" if glob.has_magic(str(path)) else "no such file"
        raise UserError(
            f"{what}: {path}. Expected a text file, a directory or a glob. Check the spelling."
        )
    below = [file for match in matches if match.is_dir() for file in _text_files_below(match)]
    files = sorted(
        {file for file in matches if file.is_file() and _has_known_ending(file)} | {*below}
    )
    if not files:
        raise UserError(f"unknown file ending: {matches[0]} (from {path}). {_expected_endings()}")
    return files


def _text_files_below(directory: Path) -> list[Path]:
    """The text files in a directory and in those below it; each directory is read once.

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
        try:
            entries = sorted(path for path in here.iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise UserError(f"cannot read: {why_refused(error, here)}.") from error
        for path in entries:
            if path.is_dir():
                (links if path.is_symlink() else waiting).append(path)
            elif _has_known_ending(path) and path.is_file():
                files.append(path)
    return sorted(files)


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


def _has_known_ending(path: Path) -> bool:
    return path.name.lower().endswith(KNOWN_ENDINGS)


def _expected_endings() -> str:
    known = ", ".join(KNOWN_ENDINGS)
    return f"Expected a name that ends in one of {known}. Convert the text, or rename the file."


def _documents(lines: Iterable[str]) -> Iterator[str]:
    """Join runs of lines that are not blank; cut the runs that grow too long into passages."""
    held: list[str] = []
    num_held_words, max_words = 0, MAX_DOCUMENT_WORDS
    for line in lines:
        num_words = count_words(line)
        if num_words == 0:
            if held:
                yield "\n".join(held)
            held, num_held_words, max_words = [], 0, MAX_DOCUMENT_WORDS
            continue
        held.append(line)
        num_held_words += num_words
        while num_held_words > max_words:
            max_words = 2 * MIN_PASSAGE_WORDS
            num_lines, num_words = _passage_end(held)
            yield "\n".join(held[:num_lines])
            held = held[num_lines:]
            num_held_words -= num_words
    if held:
        yield "\n".join(held)


def _passage_end(lines: Sequence[str]) -> tuple[int, int]:
    """How many of the first lines make a passage, and their words."""
    num_words = 0
    for index, line in enumerate(lines):
        num_words += count_words(line)
        if num_words >= MIN_PASSAGE_WORDS:
            return index + 1, num_words
    return len(lines), num_words


def count_words(line: str) -> int:
    """White-space separated words; one for every 16 characters where a script has no spaces."""
    words = line.split()
    return max(len(words), len(line) // 16) if words else 0


def _describe(path: Path) -> TextSource:
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return TextSource(path=str(path), num_bytes=file.tell(), sha256=sha256)
    except OSError as error:
        raise UserError(f"cannot read: {why_refused(error, path)}.") from error
