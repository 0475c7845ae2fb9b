"""The rows of tables: comma-separated and tab-separated values with a heading."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from tidemask.corpus.sources.decoding import Decoding, read_records
from tidemask.corpus.sources.fields import Record, check_distinct
from tidemask.corpus.sources.formats import Format
from tidemask.errors import UserError, one_line

_SAMPLED_CHARACTERS = 1 << 20
"""Characters by which it is decided whether quotation marks of tab-separated values are a
writer's."""

_DELIMITERS = ",;\t"


def table_records(
    path: Path, kind: Format, decoding: Decoding, max_characters: int
) -> Iterator[Record]:
    """The rows of a table below its heading, by the names of their columns.

    Cells are quoted as spreadsheets do it: a quotation mark within quotes is doubled, and what is
    quoted may have line ends. In tab-separated values quotation marks may also be plain text; they
    are where the first million characters cannot be read otherwise. Comma-separated values may have
    semicolons or tabs, as spreadsheets write them in many countries.

    Args:
        path: the file.
        kind: `Format.CSV` or `Format.TSV`.
        decoding: of its bytes.
        max_characters: of a line and of a cell.

    Raises:
        UserError: there is no heading, a name stands in it twice, a row has more or fewer cells,
            its quotation marks are broken, or the file cannot be read.
    """
    lines = read_records(path, max_characters=max_characters, decoding=decoding)
    first, is_all = _beginning(lines)
    if not any(line.strip() for line in first):
        return
    delimiter = "\t" if kind is Format.TSV else delimiter_of(first)
    csv.field_size_limit(max_characters)  # of the process; nothing else reads tables in this way
    if kind is Format.TSV and not _is_quoted(first, is_all=is_all):
        rows = _plain_rows(chain(first, lines))
    else:
        rows = _quoted_rows(chain(first, lines), delimiter, path)
    yield from _by_name(rows, path)


def delimiter_of(lines: Iterable[str]) -> str:
    """What separates the cells of comma-separated values, by the first line that is not blank."""
    first = next((line for line in lines if line.strip()), "")
    cells = {mark: len(next(csv.reader([first], delimiter=mark))) for mark in _DELIMITERS}
    return next((mark for mark, number in cells.items() if number > 1), ",")


def _beginning(lines: Iterator[str]) -> tuple[list[str], bool]:
    """The first lines, and whether they are all."""
    first: list[str] = []
    num_characters = 0
    for line in lines:
        first.append(line)
        num_characters += len(line)
        if num_characters > _SAMPLED_CHARACTERS:
            return first, False
    return first, True


def _is_quoted(lines: list[str], *, is_all: bool) -> bool:
    """Whether lines can be read with quotes as a writer sets them; the last may break off."""
    if not any('"' in line for line in lines):
        return True
    try:
        for _ in csv.reader((f"{line}\n" for line in lines), delimiter="\t", strict=True):
            pass
    except csv.Error as error:
        return not is_all and "end of data" in str(error)
    return True


def _plain_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    return (line.split("\t") for line in lines)


def _quoted_rows(lines: Iterable[str], delimiter: str, path: Path) -> Iterator[list[str]]:
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UserError(
                f"broken quoting: {path}, in the row that begins at line {number:,}: "
                f"{one_line(error)}. Expected cells as a spreadsheet writes them: a quotation mark "
                "within quotes is doubled. Fix the row, or give the records as JSON Lines."
            ) from error
        if row is None:
            return
        yield row


def _by_name(rows: Iterator[list[str]], path: Path) -> Iterator[Record]:
    heading = next(row for row in rows if any(row))
    check_distinct(heading, f"the heading of {path}")
    for number, row in enumerate(filter(any, rows), start=1):
        if len(row) != len(heading):
            raise UserError(
                f"another number of cells: {path}, row {number:,} below the heading has "
                f"{len(row)}, and the heading has {len(heading)}. Expected as many. Quote cells "
                "that have the separator in them, or fix the row."
            )
        yield Record(dict(zip(heading, row, strict=True)), number)
