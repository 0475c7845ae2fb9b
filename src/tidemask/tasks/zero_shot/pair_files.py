"""Files of minimal pairs: BLiMP's, and a user's own.

JSON Lines have a pair per line, `sentence_good` and `sentence_bad` (or `good` and `bad`), and
BLiMP's names of what it shows: `UID`, the paradigm, `linguistics_term`, the phenomenon, and
`field`. Files of two columns parted by a tab (`.tsv`) have the acceptable sentence first; a first
line with those names is a heading. Without a `UID` the name of the file is that of the paradigm.

A pair of one sentence twice is refused where it has no `UID`. BLiMP itself has seven of them (two
of `passive_1`, five of `principle_A_case_2`), which no model gets right. Its files name 13
phenomena; `s-selection` is counted as argument structure, as in the paper, which has
12 (Warstadt et al. 2020, arXiv 1912.00582).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemask.corpus.sources.decoding import read_lines
from tidemask.errors import UserError

_NAMES = (("sentence_good", "sentence_bad"), ("good", "bad"))
_PHENOMENA_OF_THE_PAPER = {"s-selection": "argument_structure"}
_FIELDS_OF_THE_PAPER = {
    "binding": "syntax_semantics",
    "control_raising": "syntax_semantics",
    "npi_licensing": "semantics",
}
"""Where the labels of BLiMP's files differ from its table of 12 phenomena, or among themselves."""
_PACKED = ("", ".xz", ".gz")
_JSON_ENDINGS = tuple(f".jsonl{packed}" for packed in _PACKED)
_TABLE_ENDINGS = tuple(f".tsv{packed}" for packed in _PACKED)
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ in what is tested.

    Attributes:
        good: the acceptable one.
        bad: the other.
        paradigm: the contrast that it is an example of.
        phenomenon: the group of paradigms; "" if it is not named.
        field: the group of phenomena; "" if it is not named.
        place: file and line, for messages.
    """

    good: str
    bad: str
    paradigm: str
    phenomenon: str
    field: str
    place: str


@dataclass(frozen=True)
class PairFiles:
    """Files of pairs in a fixed order."""

    paths: tuple[Path, ...]

    @classmethod
    def find(cls, path: Path) -> PairFiles:
        """The file at `path`, or the files of pairs right in the directory at `path`, by name.

        Raises:
            UserError: there is none, or its ending is not known.
        """
        endings = ", ".join(_JSON_ENDINGS + _TABLE_ENDINGS)
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if _is_known(p) and p.is_file())
            if not found:
                raise UserError(
                    f"no minimal pairs: {path} has no file that ends in one of {endings}."
                )
            return cls(tuple(found))
        if not path.is_file():
            raise UserError(
                f"no such file: {path}. Expected minimal pairs, one of {endings}, or a directory "
                "of such files. Check the spelling."
            )
        if not _is_known(path):
            raise UserError(f"unknown file ending: {path}. Expected one of {endings}. Rename it.")
        return cls((path,))

    def fingerprint(self) -> str:
        """SHA-256 of the names and contents of the files as they lie on disk, hexadecimal."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
        return digest.hexdigest()

    def read(self, limit: int = 0) -> list[Pair]:
        """The pairs, in order.

        Args:
            limit: only so many of each paradigm, the first ones; 0 for all.

        Raises:
            UserError: a line is damaged, has no pair, or twice the same sentence and no `UID`; or
                there is none.
        """
        pairs = []
        seen: Counter[str] = Counter()
        for path in self.paths:
            for pair in _pairs(path):
                seen[pair.paradigm] += 1
                if not limit or seen[pair.paradigm] <= limit:
                    pairs.append(pair)
        if not pairs:
            raise UserError(f"no minimal pairs: {self.paths[0]} has none. Expected one a line.")
        return pairs


def _is_known(path: Path) -> bool:
    return path.name.lower().endswith(_JSON_ENDINGS + _TABLE_ENDINGS)


def _pairs(path: Path) -> Iterator[Pair]:
    is_table = path.name.lower().endswith(_TABLE_ENDINGS)
    stem = path.name.partition(".")[0]
    for number, line in enumerate(read_lines(path, max_characters=None), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        row = _row_of_table(line, place) if is_table else _row_of_json(line, place)
        names = _names(row, place)
        if is_table and number == 1 and tuple(row.values()) in _NAMES:
            continue
        yield _pair(row, names, stem, place)


def _row_of_table(line: str, place: str) -> Mapping[str, Any]:
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) != 2:
        raise UserError(
            f"no pair: {place} has {len(cells)} columns. Expected two, the acceptable sentence "
            "first, parted by a tab."
        )
    return dict(zip(_NAMES[0], cells, strict=True))


def _row_of_json(line: str, place: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"damaged line: {place}: {error}. Expected a JSON object.") from error
    if not isinstance(row, dict):
        raise UserError(f"damaged line: {place} is no JSON object. Expected one pair.")
    return row


def _names(row: Mapping[str, Any], place: str) -> Sequence[str]:
    for names in _NAMES:
        if all(name in row for name in names):
            return names
    raise UserError(
        f"no pair: {place} has {', '.join(row) or 'no field'}. Expected sentence_good and "
        "sentence_bad."
    )


def _pair(row: Mapping[str, Any], names: Sequence[str], stem: str, place: str) -> Pair:
    for name in names:
        if not isinstance(row[name], str) or not row[name].strip():
            raise UserError(f"no sentence: {place}: {name}={row[name]!r}. Expected text.")
    good, bad = (row[name] for name in names)
    if good == bad and "UID" not in row:
        raise UserError(
            f"no minimal pair: {place}: both sentences are {good[:80]!r}. Expected two that "
            "differ. Mend the line, or leave it out."
        )
    groups = (str(row.get(name) or "") for name in ("UID", "linguistics_term", "field"))
    paradigm, phenomenon, field = groups
    phenomenon = _PHENOMENA_OF_THE_PAPER.get(phenomenon, phenomenon)
    field = _FIELDS_OF_THE_PAPER.get(phenomenon, field)
    return Pair(good, bad, paradigm or stem, phenomenon, field, place)
