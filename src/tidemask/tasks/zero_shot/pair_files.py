"""Files of minimal pairs: BLiMP's, and a user's own.

JSON Lines have a pair per line, `sentence_good` and `sentence_bad` (or `good` and `bad`, or as the
caller names them), and BLiMP's names of its groups: `UID`, the paradigm, `linguistics_term`, the
phenomenon, and `field`. Tables (`pair_tables.py`) have those names in their heading, or two columns
with the acceptable sentence first. Without a `UID` the name of the file is that of the paradigm.

A pair of one sentence twice is refused where it has no `UID`. BLiMP itself has seven of them (two
of `passive_1`, five of `principle_A_case_2`), which no model gets right. Its files name 13
phenomena; `s-selection` is counted as argument structure, as in the paper, which has
12 (Warstadt et al. 2020, arXiv 1912.00582).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.tasks.examples import JSON_LINES, json_lines
from tidemask.tasks.zero_shot.pair_tables import (
    NAMES,
    TABLES,
    first_row_note,
    has_quotes,
    pair_columns,
    table_rows,
)

_MAX_NOTED_TABLES = 3
"""Of more tables than these nothing is said of the first row."""

_PHENOMENA_OF_THE_PAPER = {"s-selection": "argument_structure"}
_FIELDS_OF_THE_PAPER = {
    "binding": "syntax_semantics",
    "control_raising": "syntax_semantics",
    "npi_licensing": "semantics",
}
"""Where the labels of BLiMP's files differ from its table of 12 phenomena, or among themselves."""


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ in what is tested.

    Attributes:
        good: the acceptable one.
        bad: the other one.
        paradigm: the contrast that the pair is an example of.
        phenomenon: the group of its paradigm; "" if the file names none.
        field: the group of its phenomenon; "" if the file names none.
        place: file and line, for messages.
    """

    good: str
    bad: str
    paradigm: str
    phenomenon: str
    field: str
    place: str


def pair_files(path: Path) -> list[Path]:
    """The file at `path`, or the files of pairs in the directory at `path`, sorted by name.

    Raises:
        UserError: there is none, or its ending is not known.
    """
    endings = ", ".join(JSON_LINES + TABLES)
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if _is_known(p) and p.is_file())
        if not found:
            raise UserError(f"no minimal pairs: {path} has no file that ends in one of {endings}.")
        return found
    if not path.is_file():
        raise UserError(
            f"no such file: {path}. Expected minimal pairs, one of {endings}, or a directory "
            "of such files. Check the spelling."
        )
    if not _is_known(path):
        raise UserError(f"unknown file ending: {path}. Expected one of {endings}. Rename it.")
    return [path]


def fingerprint_of_pairs(paths: Sequence[Path]) -> str:
    """SHA-256 of the names and stored contents of the files, hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def are_quoted(paths: Sequence[Path]) -> bool:
    """Whether some of the files are tables with quoted cells."""
    return any(has_quotes(path) for path in paths if path.name.lower().endswith(TABLES))


def notes_on_tables(
    paths: Sequence[Path], columns: tuple[str, str] | None = None
) -> tuple[str, ...]:
    """What the first row of each table was read as; of many tables the first ones are named.

    Args:
        paths: of the files, as `pair_files` gives them.
        columns: as for `read_pairs`.
    """
    tables = [path for path in paths if path.name.lower().endswith(TABLES)]
    notes = (first_row_note(path, columns) for path in tables[:_MAX_NOTED_TABLES])
    return tuple(note for note in notes if note)


def read_pairs(
    paths: Sequence[Path], limit: int = 0, columns: tuple[str, str] | None = None
) -> list[Pair]:
    """The pairs, in order.

    Args:
        paths: of the files, as `pair_files` gives them.
        limit: largest number of pairs of each paradigm, the first ones; 0 takes all.
        columns: names of the acceptable sentence and of the other one in heading or record; `None`
            finds the usual ones.

    Raises:
        UserError: a line is damaged, is not a pair, or has the same sentence twice and no
            `UID`; the columns are not known; or the files are empty.
    """
    pairs = []
    seen: Counter[str] = Counter()
    for path in paths:
        for pair in _pairs(path, columns):
            seen[pair.paradigm] += 1
            if not limit or seen[pair.paradigm] <= limit:
                pairs.append(pair)
    if not pairs:
        raise UserError(f"no minimal pairs: {paths[0]} has none. Expected one a line.")
    return pairs


def _is_known(path: Path) -> bool:
    return path.name.lower().endswith(JSON_LINES + TABLES)


def _pairs(path: Path, columns: tuple[str, str] | None) -> Iterator[Pair]:
    stem = path.name.partition(".")[0]
    rows: Iterator[tuple[Mapping[str, Any], str]]
    if path.name.lower().endswith(TABLES):
        rows = table_rows(path, columns)
    else:
        rows = ((example.fields, example.place) for example in json_lines(path))
    for row, place in rows:
        yield _pair(row, stem, place, columns)


def _pair(row: Mapping[str, Any], stem: str, place: str, columns: tuple[str, str] | None) -> Pair:
    names = columns or pair_columns(tuple(row))
    if names is None or not all(name in row for name in names):
        raise UserError(
            f"not a pair: {place} has {', '.join(row) or 'no field'}. Expected "
            f"{' and '.join(columns or NAMES)}. Name the fields in minimal_pairs.good= and "
            "minimal_pairs.bad=."
        )
    for name in names:
        if not isinstance(row[name], str) or not row[name].strip():
            raise UserError(f"no sentence: {place}: {name}={row[name]!r}. Expected text.")
    good, bad = (row[name] for name in names)
    if good == bad and "UID" not in row:
        raise UserError(
            f"not a minimal pair: {place}: both sentences are {good[:80]!r}. Expected two that "
            "differ. Fix the line, or leave it out."
        )
    groups = (str(row.get(name) or "") for name in ("UID", "linguistics_term", "field"))
    paradigm, phenomenon, field = groups
    phenomenon = _PHENOMENA_OF_THE_PAPER.get(phenomenon, phenomenon)
    field = _FIELDS_OF_THE_PAPER.get(phenomenon, field)
    return Pair(good, bad, paradigm or stem, phenomenon, field, place)
