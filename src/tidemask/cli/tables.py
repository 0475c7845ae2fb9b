"""Tables and JSON Lines on stdout."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from tidemask.cli.terminal import stdout
from tidemask.progress.line import printable

_UNBROKEN = "\N{NO-BREAK SPACE}"
"""What `textwrap` does not break a line at."""
_PERCENT = re.compile(r"(?<=\d) (?=%)")
GAP = 3
"""Characters between two columns."""
_FOLDED_WIDTH = 12
"""Characters to which a column of texts may shrink."""
_FOLDED_LINES = 4
"""Lines that its longest text may take then, about."""


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", text_columns: int = 1
) -> None:
    """Print a table of results; all but the first `text_columns` columns are aligned right.

    Nothing is cut: where the terminal is too narrow, the texts take several lines, then the
    headings do, and where that is not enough, a row is a paragraph.
    """
    if title:  # by itself: the table would wrap it to its own width
        stdout.print(Text(printable(title), style="table.title"))
    if _min_width(columns, rows, text_columns) > stdout.width:
        folded = [_folded(heading, cells) for heading, *cells in zip(columns, *rows, strict=True)]
        columns = folded if _min_width(folded, rows, text_columns) <= stdout.width else columns
    if _min_width(columns, rows, text_columns) > stdout.width:
        _print_cards(columns, rows)
        return
    table = Table(
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
    )
    for number, column in enumerate(columns):
        is_text = number < text_columns
        table.add_column(
            _text(column),
            justify="left" if is_text else "right",
            overflow="fold",
            no_wrap=not _folds(number, text_columns),
        )
    for row in rows:
        table.add_row(*map(_text, row))
    stdout.print(table)


def _folds(column: int, text_columns: int) -> bool:
    """Whether a column may take several lines: one of texts, but no name beside other texts."""
    return column < text_columns and (column > 0 or text_columns == 1)


def _min_width(columns: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int) -> int:
    """Characters that a table needs, with the texts in several lines."""
    widths = [
        max(cell_len(line) for cell in column for line in printable(cell).split("\n"))
        for column in zip(columns, *rows, strict=True)
    ]
    folded = (
        min(width, max(_FOLDED_WIDTH, width // _FOLDED_LINES))
        if _folds(number, text_columns)
        else width
        for number, width in enumerate(widths)
    )
    return sum(folded) + GAP * (len(columns) - 1) + 2


def _folded(heading: str, cells: Sequence[str]) -> str:
    """A heading in lines as long as its longest word, or as the cells below it."""
    kept = _PERCENT.sub(_UNBROKEN, printable(heading))
    longest = max(map(cell_len, [*kept.split(" "), *map(printable, cells)]))
    lines = textwrap.wrap(kept, longest, break_long_words=False)
    return "\n".join(lines).replace(_UNBROKEN, " ")


def _print_cards(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table row by row: its first cell, then the others with the headings of columns."""
    headings = [column.replace("\n", " ") for column in columns]
    for first, *others in rows:
        stdout.print()
        if first:
            stdout.print(Text(printable(first), style="bold"))
        pairs = (_pair(heading, cell) for heading, cell in zip(headings[1:], others, strict=True))
        told = ", ".join(map(printable, pairs)).replace("., ", ". ")
        for line in textwrap.wrap(told, stdout.width, initial_indent="  ", subsequent_indent="  "):
            stdout.print(Text(line.replace(_UNBROKEN, " ")))
    stdout.print()


def _pair(heading: str, cell: str) -> str:
    """A cell with its heading, in one line if there is room; a sentence needs no heading."""
    name, comma, unit = heading.rpartition(", ")
    pair = f"{name} {cell} {unit}" if comma and unit == "%" else f"{heading} {cell}"
    if cell.endswith("."):
        return _PERCENT.sub(_UNBROKEN, cell)
    return pair.replace(" ", _UNBROKEN) if cell_len(pair) <= stdout.width // 2 else pair


def table_width() -> int:
    """Characters of a table that is laid out in blocks: those of the terminal, at most 80."""
    return min(80, stdout.width)


def _text(cell: str) -> Text:
    """A cell as it stands; the table would read a string as markup."""
    return Text(printable(cell))


def blocks_that_fit(widths: Sequence[int], room: int) -> list[list[int]]:
    """Split columns into blocks that stand side by side, each a table of its own.

    Args:
        widths: of the columns with the gaps before them, in characters.
        room: for all columns of a block; a wider column is a block by itself.

    Returns:
        The indices of the columns, block by block.

    Example:
        >>> blocks_that_fit([20, 20, 30, 70], room=60)
        [[0, 1], [2], [3]]
    """
    blocks: list[list[int]] = []
    left = 0
    for column, width in enumerate(widths):
        if not blocks or width > left:
            blocks.append([])
            left = room
        blocks[-1].append(column)
        left -= width
    return blocks


def print_json(fields: Mapping[str, Any]) -> None:
    """Print one line of ASCII, as wide as it is: no terminal's width or encoding changes it."""
    stdout.out(json.dumps(fields), highlight=False)
