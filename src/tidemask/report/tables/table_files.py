"""The files of a table: CSV and JSON of all its columns, Markdown and LaTeX of what is shown.

The JSON file is read again where its numbers are needed without the runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemask.errors import UserError
from tidemask.reading import ANY_LENGTH, read_json
from tidemask.report.tables.typed_table import Table

MAX_TYPESET_ROWS = 500
"""Rows up to which a table is also written for texts: nobody prints logs."""

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "<": "$<$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
"""What stands for these characters in LaTeX."""


@dataclass(frozen=True)
class WrittenColumn:
    """A column in the JSON file of a table."""

    name: str


@dataclass(frozen=True)
class WrittenTable:
    """A table as its JSON file has it.

    Attributes:
        columns: all of them.
        rows: cells in the order of the columns; `None` where there is nothing.
    """

    columns: list[WrittenColumn]
    rows: list[list[str | int | float | None]]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def values(self, name: str) -> list[str | int | float | None]:
        """The cells of a column, none where there is no such column."""
        return [row[self.names.index(name)] for row in self.rows if name in self.names]


def read_table(path: Path) -> WrittenTable:
    """Read a table from its JSON file.

    Raises:
        UserError: there is none, or it is damaged.
    """
    advice = "Compare again."
    table = read_json(path, WrittenTable, what="table", advice=advice, max_bytes=ANY_LENGTH)
    if any(len(row) != len(table.columns) for row in table.rows):
        raise UserError(f"damaged table: {path}: a row has another length. {advice}")
    return table


def write_table(table: Table, directory: Path) -> None:
    """Write a table as `NAME.csv`, `.json`, and, unless it is long, `.md` and `.tex`."""
    for ending in written_endings(table):
        content = _WRITERS[ending](table)
        (directory / f"{table.name}.{ending}").write_text(content, encoding="utf-8")


def written_endings(table: Table) -> dict[str, str]:
    """The endings of the files of a table, and what the formats are called."""
    long = len(table.rows) > MAX_TYPESET_ROWS
    return {ending: name for ending, name in _FORMATS.items() if not (long and ending in _TYPESET)}


def to_json(table: Table) -> str:
    """Columns with their titles and units, and rows as lists; numbers keep every bit."""
    columns = [
        {"name": column.name, "title": column.title, "unit": column.unit, "kind": column.kind}
        for column in table.columns
    ]
    head = json.dumps({"name": table.name, "columns": columns}, ensure_ascii=False)[:-1]
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in table.rows)
    return f'{head}, "rows": [\n{rows}\n]}}\n'


def to_markdown(table: Table) -> str:
    """The shown columns as a table of GitHub's Markdown."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"

    columns = table.shown_columns
    rules = ["---:" if column.is_number else "---" for column in columns]
    head = line([column.heading for column in columns]) + line(rules)
    return head + "".join(map(line, table.shown_rows()))


def to_latex(table: Table) -> str:
    """The shown columns as a `tabular` with the rules of `booktabs`."""

    def line(cells: Sequence[str]) -> str:
        return f"{' & '.join(map(_latex, cells))} \\\\\n"

    columns = table.shown_columns
    places = "".join("r" if column.is_number else "l" for column in columns)
    body = "".join(map(line, table.shown_rows()))
    head = line([column.heading for column in columns])
    return (
        f"% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{places}}}\n\\toprule\n{head}\\midrule\n"
        f"{body}\\bottomrule\n\\end{{tabular}}\n"
    )


_FORMATS = {"csv": "CSV", "json": "JSON", "md": "Markdown", "tex": "LaTeX"}
_TYPESET = frozenset({"md", "tex"})
_WRITERS: dict[str, Callable[[Table], str]] = {
    "csv": Table.to_csv,
    "json": to_json,
    "md": to_markdown,
    "tex": to_latex,
}


def _latex(text: str) -> str:
    """Text as LaTeX prints it."""
    return re.sub("|".join(map(re.escape, LATEX)), lambda match: LATEX[match[0]], text)
