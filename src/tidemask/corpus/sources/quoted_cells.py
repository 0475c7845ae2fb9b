"""The cells of tables as spreadsheets and Python's `csv` module quote them.

A quotation mark within quotes is doubled, and what is quoted may have separators and line ends. All
tables are read here: the `csv` module has one limit on the length of a cell for the whole process.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from tidemask.corpus.sources.borders import MAX_DOCUMENT_CHARACTERS
from tidemask.errors import UserError, one_line

_DELIMITERS = ",;\t"
_BREAKS_OFF, _TOO_LONG = "end of data", "field limit"
"""Parts of what `csv` says of a quoted cell without an end, and of one that is too long."""


def delimiter_of(lines: Iterable[str]) -> str:
    """What separates the cells of comma-separated values, by the first line that is not blank.

    Example:
        >>> delimiter_of(["", "good;bad"]), delimiter_of(["one cell"])
        (';', ',')
    """
    first = next((line for line in lines if line.strip()), "")
    cells = {
        mark: len(next(csv.reader(_with_ends([first]), delimiter=mark))) for mark in _DELIMITERS
    }
    return next((mark for mark, number in cells.items() if number > 1), ",")


def is_quoted(lines: Iterable[str], delimiter: str, *, is_all: bool) -> bool:
    """Whether lines can be read with quotes as a writer sets them.

    Args:
        lines: of a file, from its first one on.
        delimiter: between cells.
        is_all: whether there are no others; if there are, a quoted cell may have no end yet.
    """
    try:
        for _ in csv.reader(_with_ends(lines), delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        return not is_all and _BREAKS_OFF in str(error)
    return True


def quoted_rows(
    lines: Iterable[str], delimiter: str, path: Path
) -> Iterator[tuple[list[str], int]]:
    """The cells of each row, and the number of the line at which it begins, from 1.

    Args:
        lines: of the file, without their ends.
        delimiter: between cells.
        path: of the file, for messages.

    Raises:
        UserError: quotation marks are broken, or a cell has more than `MAX_DOCUMENT_CHARACTERS`
            characters.
    """
    reader = csv.reader(_with_ends(lines), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise _refused(error, f"{path}, in the row that begins at line {number:,}") from error
        if row is None:
            return
        yield row, number


def _with_ends(lines: Iterable[str]) -> Iterator[str]:
    """What `csv.reader` takes, with cells as long as documents may be."""
    csv.field_size_limit(MAX_DOCUMENT_CHARACTERS)
    return (f"{line}\n" for line in lines)


def _refused(error: csv.Error, place: str) -> UserError:
    if _TOO_LONG in str(error):
        return UserError(
            f"cell too long: {place}, one has more than {MAX_DOCUMENT_CHARACTERS:,} characters. "
            "Expected shorter ones. Look for a quotation mark without its second one, from which "
            "on all lines are one cell; or break the text."
        )
    return UserError(
        f"broken quoting: {place}: {one_line(error)}. Expected cells as a spreadsheet writes them: "
        "a quotation mark within quotes is doubled. Fix the row, or give the records as JSON Lines."
    )
