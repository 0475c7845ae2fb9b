"""Where a document of a text file begins and ends; its lines stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tidemask.corpus.sources.settings import SEPARATOR
from tidemask.errors import UserError

MAX_DOCUMENT_CHARACTERS = 1 << 28
"""Characters above which a document is refused, so that memory is bounded: 268,435,456, some fifty
million English words."""


class PlacedText(NamedTuple):
    """The text of a document, and the number of its first line in the file, from 1."""

    text: str
    line: int


def texts_between(
    lines: Iterable[str], documents: str, path: Path, on_separator: Callable[[], None]
) -> Iterator[PlacedText]:
    """The texts of a file, none of which is blank, without the blank lines around them.

    Args:
        lines: of the file, without their ends.
        documents: as `TextSettings.documents`, but "auto" and "row".
        path: of the file, for messages.
        on_separator: called at each line that separates documents by its text.

    Raises:
        UserError: a document has more than `MAX_DOCUMENT_CHARACTERS` characters.
    """
    if documents == "line":
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield PlacedText(line, number)
        return
    separator = documents.removeprefix(SEPARATOR).strip()
    held = _HeldLines(path)
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if documents.startswith(SEPARATOR) and stripped == separator:
            on_separator()
            yield from held.taken()
        elif stripped or (held.lines and documents != "blank-lines"):
            held.add(line, number)
        else:
            yield from held.taken()
    yield from held.taken()


class _HeldLines:
    """The lines of a document that is not finished."""

    def __init__(self, path: Path) -> None:
        self.lines: list[str] = []
        self._path = path
        self._first = 0
        self._num_characters = 0

    def add(self, line: str, number: int) -> None:
        """Add a line; the first one is not blank."""
        if not self.lines:
            self._first, self._num_characters = number, 0
        self.lines.append(line)
        self._num_characters += len(line) + 1
        if self._num_characters > MAX_DOCUMENT_CHARACTERS:
            raise UserError(
                f"document too long: {self._path}, from line {self._first:,} on it has more than "
                f"{MAX_DOCUMENT_CHARACTERS:,} characters. Expected shorter ones. Say where "
                "documents end: --documents line, blank-lines or separator=TEXT."
            )

    def taken(self) -> Iterator[PlacedText]:
        """The document, unless it is empty; none is held then."""
        lines, self.lines = self.lines, []
        while lines and not lines[-1].strip():
            lines.pop()
        if lines:
            yield PlacedText("\n".join(lines), self._first)
