"""A table with typed columns: to a CSV file, to aligned text, to the cells of a page.

It keeps the numbers, and rounds them only when they are shown.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

Cell = str | int | float | None
"""A value of a table; `None` where there is nothing to show."""

Kind = Literal["text", "count", "quantity", "seconds", "real", "p"]
"""What a column holds.

`text`; `count`, whole numbers shown in full; `quantity`, large whole numbers shown rounded, such as
1.23 M; `seconds`, shown as a duration; `real`, shown with a fixed number of digits; `p`, a
probability of a test, shown with three digits or as below the least of these.
"""

MISSING = "–"
"""Shown in a cell without value."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: key in the CSV file.
        title: heading for a reader.
        unit: of the numbers; empty for text and pure numbers.
        kind: what the cells hold.
        digits: digits after the point, for `real`.
        signed: whether a positive number is shown with its sign.
        error: name of the column with the standard error, shown behind a plus-minus sign.
        limits: names of the columns with the lowest and the highest value, shown in brackets.
        shown: whether a reader sees the column; a CSV file has all of them.
    """

    name: str
    title: str
    _: KW_ONLY
    unit: str = ""
    kind: Kind = "text"
    digits: int = 3
    signed: bool = False
    error: str | None = None
    limits: tuple[str, str] | None = None
    shown: bool = True

    @property
    def is_number(self) -> bool:
        """Whether the cells are numbers, which are aligned right."""
        return self.kind != "text"

    @property
    def heading(self) -> str:
        """Title with the unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def show(self, value: Cell) -> str:
        """A cell as text, rounded for a reader."""
        if value is None:
            return MISSING
        if isinstance(value, str):
            return value
        match self.kind:
            case "text":
                return str(value)
            case "count":
                return f"{value:,.0f}"
            case "quantity":
                return _rounded(value)
            case "seconds":
                return _duration(value)
            case "real":
                return _fixed(value, self.digits, signed=self.signed)
            case "p":
                return "< 0.001" if value < 0.001 else f"{value:.3f}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under typed columns; `name` is that of its CSV file, without ending."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def shown_columns(self) -> tuple[Column, ...]:
        """The columns that a reader sees."""
        return tuple(column for column in self.columns if column.shown)

    def shown_rows(self) -> list[list[str]]:
        """Every row as text under `shown_columns`, errors and limits behind their value."""
        return [[self._shown(row, column) for column in self.shown_columns] for row in self.rows]

    def numbered_rows(self) -> list[list[tuple[str, str]]]:
        """`shown_rows`, each text with its number, which has every bit; empty for other cells."""
        columns = [(column.is_number, self._place(column.name)) for column in self.shown_columns]
        numbers = (
            [repr(row[place]) if is_number and row[place] is not None else ""
             for is_number, place in columns]
            for row in self.rows
        )  # fmt: skip
        return [
            list(zip(texts, found, strict=True))
            for texts, found in zip(self.shown_rows(), numbers, strict=True)
        ]

    def values(self, name: str) -> list[Cell]:
        """All cells of one column, in the order of the rows."""
        place = self._place(name)
        return [row[place] for row in self.rows]

    def where(self, name: str, value: Cell) -> Table:
        """The rows that have a value in a column, without that column for a reader."""
        place = self._place(name)
        rows = tuple(row for row in self.rows if row[place] == value)
        columns = (replace(each, shown=each.shown and each.name != name) for each in self.columns)
        return replace(self, columns=tuple(columns), rows=rows)

    def select(self, names: Sequence[str]) -> Table:
        """The same rows; of the columns only these are shown, and in this order."""
        order = [self._place(name) for name in names]
        order += [place for place in range(len(self.columns)) if place not in order]
        columns = tuple(
            replace(self.columns[place], shown=rank < len(names))
            for rank, place in enumerate(order)
        )
        rows = tuple(tuple(row[place] for place in order) for row in self.rows)
        return replace(self, columns=columns, rows=rows)

    def to_csv(self) -> str:
        """All columns with a line of their names; numbers keep every bit, nothing is empty.

        Text that a spreadsheet would compute has an apostrophe before it, see `_inert`.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_inert(column.name) for column in self.columns)
        writer.writerows(map(_inert, row) for row in self.rows)
        return text.getvalue()

    def to_text(self) -> str:
        """The shown columns as aligned plain text, one line a row."""
        lines = [[column.heading for column in self.shown_columns], *self.shown_rows()]
        padded = []
        for column, cells in zip(self.shown_columns, zip(*lines, strict=True), strict=True):
            width = max(map(len, cells))
            padded.append([c.rjust(width) if column.is_number else c.ljust(width) for c in cells])
        return "".join("  ".join(line).rstrip() + "\n" for line in zip(*padded, strict=True))

    def _shown(self, row: Sequence[Cell], column: Column) -> str:
        value = column.show(row[self._place(column.name)])
        if column.error is not None:
            place = self._place(column.error)
            error = self.columns[place].show(row[place])
            return value if MISSING in (value, error) else f"{value} ± {error}"
        if column.limits is not None:
            low, high = (column.show(row[self._place(name)]) for name in column.limits)
            return value if MISSING in (value, low, high) else f"{value} ({low} to {high})"
        return value

    def _place(self, name: str) -> int:
        return [column.name for column in self.columns].index(name)


FORMULA_BEGINS = tuple("=+-@\t\r\n＝＋－＠")
"""Signs with which a spreadsheet begins a formula."""

NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


def _inert(cell: Cell) -> Cell:
    """A cell of a CSV file; text that begins as a formula gets an apostrophe before it.

    Names of recipes, classes and tasks are whatever a user wrote, and spreadsheets compute `=`,
    `+`, `-` and `@`, quoted or not. Text that is a number stays as it is.
    """
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.startswith(FORMULA_BEGINS) and not NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _fixed(value: float, digits: int, *, signed: bool) -> str:
    """The value with fixed digits and a minus sign (−); what rounds to zero has no sign."""
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(text) == 0:
        return text.lstrip("+-")
    return text.replace("-", "−")


def _rounded(value: float) -> str:
    """Three figures and a letter for the size; below a thousand, the whole number."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        scaled = value / size
        if abs(scaled) >= 0.9995:
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            return f"{scaled:,.{digits}f} {letter}"
    return f"{value:.0f}"


def _duration(seconds: float) -> str:
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
