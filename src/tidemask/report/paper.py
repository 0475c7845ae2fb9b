"""Numbers of a text against the tables of a comparison.

A number in a Markdown file is marked by a comment right behind it, which readers do not see:

    The loss falls by 0.028 <!-- tidemask: arms decay difference negative -->.

Table, row and column are the names in the JSON files of the tables; the row is the text of its
first column. A name with spaces stands in quotes. `negative` stands where the words of the text, in
place of a minus, say that the number is below 0.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tidemask.errors import UserError, did_you_mean
from tidemask.reading import ANY_LENGTH
from tidemask.reading.text import read_text
from tidemask.report.tables.table_files import read_table

_MARK = re.compile(r"<!--\s*tidemask:\s*(?P<place>.*?)\s*-->", re.DOTALL)
_NUMBER = re.compile(
    r"(?P<number>[-+−]?\d[\d,]*(\.\d+)?([eE][-+]?\d+)?)[*_`)\]]*\s*(%|\\%)?[*_`)\]]*\s*$"
)
_NEAR = 80
"""Characters before a mark within which its number begins."""
_PARTS = 3
_NEGATIVE = "negative"


@dataclass(frozen=True, kw_only=True)
class MarkedNumber:
    """A number of a text, and the cell that it should be.

    Attributes:
        where: file and line.
        written: the number as it is written.
        table: name of the table.
        row: text of the first column.
        column: name of the column.
        direction: what stands behind the column, `negative` or nothing.
    """

    where: str
    written: str
    table: str
    row: str
    column: str
    direction: Sequence[str] = ()

    @property
    def value(self) -> Decimal:
        """The number."""
        return Decimal(self.written.replace("−", "-").replace(",", ""))

    def agrees(self, cell: float) -> bool:
        """Whether the cell, rounded to the digits that are written, is this number.

        A cell in the middle between two such numbers agrees with both; and where the text says
        "falls by 0.028" of a difference of −0.028, the mark has `negative`.
        """
        exponent = self.value.as_tuple().exponent
        assert isinstance(exponent, int)  # the pattern has no NaN and no infinity
        half = Decimal(1).scaleb(exponent) / 2
        wanted = -self.value if self.direction else self.value
        return abs(Decimal(repr(cell)) - wanted) <= half


def unsigned(cell: float, direction: Sequence[str], *, where: str) -> float:
    """The value of a cell as a text says it without a sign.

    Args:
        cell: the value.
        direction: what stands behind the column of the mark, `negative` or nothing.
        where: the mark, for the message.

    Raises:
        UserError: the value is on the other side of 0 than the mark says.
    """
    is_negative = list(direction) == [_NEGATIVE]
    if (cell < 0) != is_negative:
        raise UserError(
            f"sign of a marked number: {where} is {cell:.6g}. Expected a number "
            f"{'below' if is_negative else 'of at least'} 0, as the mark says; the words beside it "
            "have to change too."
        )
    return abs(cell)


def check_numbers(paper: Path, report: Path) -> tuple[int, list[str]]:
    """Compares the marked numbers of a Markdown file with the tables of a comparison.

    Args:
        paper: the file.
        report: directory of the comparison.

    Returns:
        How many numbers are marked, and a line for each that is not the table's.

    Raises:
        UserError: a file cannot be read, nothing is marked, or a mark is not understood.
    """
    text = read_text(paper, ANY_LENGTH, "text")
    marked = list(_marked(paper, text))
    if not marked:
        raise UserError(
            f"no marked number: {paper}. Expected a comment behind each number that is checked: "
            "0.028 <!-- tidemask: TABLE ROW COLUMN -->"
        )
    tables = report / "tables"
    if not tables.is_dir():
        raise UserError(f"not a comparison: {report} has no tables. Name the directory of one.")
    return len(marked), [line for one in marked if (line := _problem(one, tables))]


def _marked(paper: Path, text: str) -> Iterator[MarkedNumber]:
    for match in _MARK.finditer(text):
        where = f"{paper}, line {text.count(chr(10), 0, match.start()) + 1}"
        try:
            parts = shlex.split(match["place"])
        except ValueError as error:
            raise UserError(f"mark not understood: {where}: {error}.") from error
        if len(parts) < _PARTS or parts[_PARTS:] not in ([], [_NEGATIVE]):
            raise UserError(
                f"mark not understood: {where}: {match['place']!r}. Expected table, row and "
                "column, and `negative` if words say so; a name with spaces in quotes."
            )
        before = _NUMBER.search(text[max(0, match.start() - _NEAR) : match.start()])
        if before is None:
            raise UserError(f"mark without a number: {where}. Put it right behind one.")
        table, row, column, *direction = parts
        if direction and before["number"][0] in "+-−":
            raise UserError(f"two signs of a number: {where}. Leave out `negative`.")
        yield MarkedNumber(
            where=where,
            written=before["number"],
            table=table,
            row=row,
            column=column,
            direction=direction,
        )


def _problem(one: MarkedNumber, tables: Path) -> str | None:
    """What is wrong with a number, in one line; `None` if it is the table's."""
    path = tables / f"{one.table}.json"
    if not path.is_file():
        known = sorted(file.stem for file in tables.glob("*.json"))
        return f"{one.where}: no table {one.table}.{did_you_mean(one.table, known)}"
    table = read_table(path)
    names = table.names
    if one.column not in names:
        hint = did_you_mean(one.column, names) or f" It has {', '.join(names)}."
        return f"{one.where}: table {one.table} has no column {one.column}.{hint}"
    rows = [row for row in table.rows if str(row[0]) == one.row]
    if len(rows) != 1:
        hint = did_you_mean(one.row, [str(row[0]) for row in table.rows])
        return f"{one.where}: table {one.table} has {len(rows)} rows {one.row}.{hint}"
    cell = rows[0][names.index(one.column)]
    place = f"{one.table}, {one.row}, {one.column}"
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return f"{one.where}: {one.written}, but {place} is {cell!r}. Mark a cell with a number."
    if one.agrees(cell):
        return None
    words = f" {one.direction[0]}" if one.direction else ""
    return f"{one.where}: {one.written}{words}, but {place} is {cell!r}."
