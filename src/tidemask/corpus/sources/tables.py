"""The rows of tables: comma-separated and tab-separated values with a heading."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tidemask.corpus.sources.decoding import Decoding, read_records
from tidemask.corpus.sources.fields import Record, check_distinct
from tidemask.corpus.sources.formats import Format
from tidemask.corpus.sources.quoted_cells import delimiter_of, is_quoted, quoted_rows
from tidemask.errors import UserError

_SAMPLED_CHARACTERS = 1 << 20
"""Characters by which it is decided whether quotation marks of tab-separated values are a
writer's."""


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
        max_characters: of a line.

    Raises:
        UserError: there is no heading, a name stands in it twice, a row has more or fewer cells,
            its quotation marks are broken, a cell is too long, or the file cannot be read.
    """
    lines = read_records(path, max_characters=max_characters, decoding=decoding)
    first, is_all = _beginning(lines)
    if not any(line.strip() for line in first):
        return
    delimiter = "\t" if kind is Format.TSV else delimiter_of(first)
    if kind is Format.TSV and not is_quoted(first, delimiter, is_all=is_all):
        rows = (line.split("\t") for line in chain(first, lines))
    else:
        rows = (cells for cells, _ in quoted_rows(chain(first, lines), delimiter, path))
    yield from _by_name(rows, path)


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


def _by_name(rows: Iterator[list[str]], path: Path) -> Iterator[Record]:
    heading = next((row for row in rows if any(row)), [])
    check_distinct(heading, f"the heading of {path}")
    for number, row in enumerate(filter(any, rows), start=1):
        if len(row) != len(heading):
            raise UserError(
                f"another number of cells: {path}, row {number:,} below the heading has "
                f"{len(row)}, and the heading has {len(heading)}. Expected as many. Quote cells "
                "that have the separator in them, or fix the row."
            )
        yield Record(dict(zip(heading, row, strict=True)), number)
