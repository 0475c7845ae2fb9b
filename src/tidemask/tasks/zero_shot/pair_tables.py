"""Minimal pairs in tables: comma- or tab-separated text, with a heading or without.

Cells are quoted as the `csv` module and spreadsheets write them, doubled quotes, separators and
line breaks included; or, in files of tabs, not at all: there a quotation mark may be a part of the
sentence, and the file as a whole decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tidemask.corpus.sources.decoding import Decoding, read_records
from tidemask.corpus.sources.quoted_cells import delimiter_of, quoted_rows
from tidemask.errors import UserError
from tidemask.tasks.examples import file_endings

NAMES = ("sentence_good", "sentence_bad")
"""Names of the columns of a table without a heading."""

_TABS, _COMMAS = file_endings(".tsv"), file_endings(".csv")
TABLES = (*_TABS, *_COMMAS)
"""What the names of tables end in."""

_OPPOSITES = {
    "good": "bad",
    "acceptable": "unacceptable",
    "grammatical": "ungrammatical",
    "correct": "incorrect",
    "right": "wrong",
}
"""Known columns of the acceptable sentence, and of the other one, without the word `sentence`."""

_QUOTED = re.compile(r'(?:^|(?<=[\t\n]))"((?:[^"]|"")*)"(?=\t|\n|\Z)')
_NEEDS_QUOTES = re.compile(r'["\t\n,]')
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def table_rows(
    path: Path, chosen: tuple[str, str] | None = None
) -> Iterator[tuple[Mapping[str, str], str]]:
    """The cells of each row by the names of their columns, and the row's place for messages.

    Args:
        path: of the table.
        chosen: names of the columns of the acceptable sentence and of the other one; if `None`,
            those of the heading that are known, or the only two columns in this order.

    Raises:
        UserError: a heading without the columns, rows of another width, or broken quotes.
    """
    rows = ((cells, place) for cells, place in _rows(path) if any(cells))
    first = next(rows, None)
    if first is None:
        return
    head, place = first
    names = _heading(head, place, chosen)
    second = next(rows, None)
    if names is None and second and _is_unknown_heading(head, second[0]):
        raise _no_columns(f"unknown heading: {place}", head)
    data = [row for row in (None if names else first, second) if row]
    for cells, row_place in (*data, *rows):
        expected = names or NAMES
        if len(cells) != len(expected):
            what = "as the heading" if names else "the acceptable sentence first"
            raise UserError(
                f"not a pair: {row_place} has {len(cells)} columns. Expected {len(expected)}, "
                f"{what}. Fix the line."
            )
        yield dict(zip(expected, cells, strict=True)), row_place


def first_row_note(path: Path, chosen: tuple[str, str] | None = None) -> str | None:
    """What the first row of a table was read as, a sentence; `None` if it has no row.

    Args:
        path: of the table.
        chosen: as for `table_rows`.

    Raises:
        UserError: as for `table_rows`, of the first row.
    """
    first = next(((cells, place) for cells, place in _rows(path) if any(cells)), None)
    if first is None:
        return None
    cells, place = first
    is_heading = _heading(cells, place, chosen) is not None
    role = "heading" if is_heading else "first pair, for it is no heading that is known"
    return f"{place} ({_listed(cells)}) was read as the {role}."


def pair_columns(names: Sequence[str]) -> tuple[str, str] | None:
    """The columns of the acceptable sentence and of the other one, of a heading or a record.

    Example:
        >>> pair_columns(["UID", "Bad sentence", "Good sentence"])
        ('Good sentence', 'Bad sentence')
        >>> pair_columns(["text", "label"])
    """
    if all(name in names for name in NAMES):
        return NAMES
    by_word = {_word(name): name for name in reversed(names)} | {
        name: name for name in names if name in _OPPOSITES
    }
    found = [
        (by_word[good], by_word[bad])
        for good, bad in _OPPOSITES.items()
        if good in by_word and bad in by_word
    ]
    return found[0] if found else None


def has_quotes(path: Path) -> bool:
    """Whether cells of a table are quoted, as the `csv` module quotes them."""
    return _is_quoted(path, "\n".join(_lines(path)))


def _word(name: str) -> str:
    """What a name says beside `sentence`: `good` for `Good sentence` and `sentence_good`."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    return " ".join(word for word in words if word not in ("sentence", "sent"))


def _heading(
    cells: Sequence[str], place: str, chosen: tuple[str, str] | None
) -> Sequence[str] | None:
    """The names in the first row, if it is a heading."""
    wanted = chosen or pair_columns(cells)
    if chosen and not set(chosen) <= set(cells):
        raise UserError(
            f"no such columns: {place} has {_listed(cells)}. Expected a heading with "
            f"{' and '.join(chosen)} (minimal_pairs.good, minimal_pairs.bad). Check the spelling."
        )
    if wanted is None and len(cells) != len(NAMES):
        raise _no_columns(f"not a pair: {place} has {len(cells)} columns", cells)
    if wanted and any(cells.count(name) > 1 for name in wanted):
        raise UserError(
            f"columns of one name: {place} has {_listed(cells)}. Expected {wanted[0]} and "
            f"{wanted[1]} once each. Rename one."
        )
    return cells if wanted else None


def _is_unknown_heading(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether a first row is names of columns, and the second one sentences."""
    return all(map(_IDENTIFIER.fullmatch, first)) and all(" " in cell for cell in second)


def _no_columns(what: str, cells: Sequence[str]) -> UserError:
    return UserError(
        f"{what}: {_listed(cells)}. Expected two columns, the "
        f"acceptable sentence first, or a heading with {' and '.join(NAMES)}. Name its columns in "
        "minimal_pairs.good= and minimal_pairs.bad=."
    )


def _listed(cells: Sequence[str]) -> str:
    return ", ".join(repr(cell[:40]) for cell in cells[:8])


def _rows(path: Path) -> Iterator[tuple[list[str], str]]:
    """The cells of every row, and its place."""
    lines = list(_lines(path))
    if not _is_quoted(path, "\n".join(lines)):
        for number, line in enumerate(lines, start=1):
            yield [cell.strip() for cell in line.split("\t")], f"{path}, line {number}"
        return
    delimiter = "\t" if path.name.lower().endswith(_TABS) else delimiter_of(lines)
    for cells, number in quoted_rows(lines, delimiter, path):
        yield [cell.strip() for cell in cells], f"{path}, line {number}"


def _lines(path: Path) -> Iterator[str]:
    return read_records(path, decoding=Decoding(any_line_end=True))


def _is_quoted(path: Path, text: str) -> bool:
    """Whether quotation marks at both ends of a cell are those of a writer, not of its sentence.

    Those of a writer stand around cells that need them, or around all cells, and no quotation mark
    is left outside of them. (Spreadsheets also quote what has a comma.)
    """
    if path.name.lower().endswith(_COMMAS):
        return True
    quoted = [match[1] for match in _QUOTED.finditer(text)]
    rest = _QUOTED.sub("", text)
    is_all = not rest.strip("\t\n0123456789.-")
    return bool(quoted) and '"' not in rest and (is_all or all(map(_NEEDS_QUOTES.search, quoted)))
