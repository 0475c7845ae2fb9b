"""Tables and JSON Lines on stdout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tidemask.cli.terminal import stdout


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", text_columns: int = 1
) -> None:
    """Print a table of results; all but the first `text_columns` columns are aligned right."""
    table = Table(
        title=title or None,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
    )
    for number, column in enumerate(columns):
        is_text = number < text_columns
        table.add_column(
            column, justify="left" if is_text else "right", no_wrap=number == 0 or not is_text
        )
    for row in rows:
        table.add_row(*row)
    stdout.print(table)


def print_json(fields: Mapping[str, Any]) -> None:
    """Print one line of ASCII, as wide as it is: no terminal's width or encoding changes it."""
    stdout.out(json.dumps(fields), highlight=False)
