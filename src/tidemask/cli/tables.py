"""Tables and JSON Lines on stdout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from tidemask.cli.terminal import stdout
from tidemask.progress.line import printable


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", text_columns: int = 1
) -> None:
    """Print a table of results; all but the first `text_columns` columns are aligned right.

    Numbers are never cut: where the terminal is too narrow, the texts take several lines.
    """
    table = Table(
        title=Text(printable(title), style="table.title") if title else None,
        title_justify="left",
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
            no_wrap=not is_text or (number == 0 and text_columns > 1),
        )
    for row in rows:
        table.add_row(*map(_text, row))
    stdout.print(table)


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
