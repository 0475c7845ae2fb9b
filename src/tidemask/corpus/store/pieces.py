"""Which document each stretch of a row is from, so that a row's text can be found again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemask.corpus.store.tables import TableFiles, whole_table


@dataclass(frozen=True)
class Pieces:
    """Pieces of documents in rows, in the order of the rows; every array has shape [n].

    Attributes:
        row: number of the row in its split.
        position: position of the piece's first token in the row.
        num_tokens: tokens of the piece.
        document: number of the document in the table of documents.
        token_offset: tokens of the document before the piece.
        character_offset: characters of the document's text before the piece's first token.
    """

    row: NDArray[np.int64]
    position: NDArray[np.int64]
    num_tokens: NDArray[np.int64]
    document: NDArray[np.int64]
    token_offset: NDArray[np.int64]
    character_offset: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Sequence[Pieces]) -> Pieces:
        """One part or more, one after another."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, index: slice | NDArray[Any]) -> Pieces:
        return Pieces(*(column[index] for column in vars(self).values()))


PIECES = pa.schema([(field.name, pa.uint32()) for field in fields(Pieces)])
"""Columns of the table of pieces."""


@dataclass(frozen=True)
class PieceTable:
    """The pieces of the rows of one split.

    Example:
        >>> from tidemask import open_corpus
        >>> corpus = open_corpus("corpus")
        >>> pieces = corpus.train.pieces.of_rows([0])
        >>> pieces.row[0], pieces.position[0], pieces.token_offset[0]
        (np.int64(0), np.int64(1), np.int64(0))
        >>> corpus.documents[pieces.document[0]].split
        'train'
    """

    files: TableFiles

    @classmethod
    def open(cls, directory: Path) -> PieceTable:
        """The table in a directory.

        Raises:
            UserError: there is none, or it is incomplete.
        """
        return cls(TableFiles.find(directory, PIECES.names))

    def of_rows(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> Pieces:
        """The pieces of some rows, in the order in which the rows are given.

        Raises:
            UserError: a file of the table is missing or damaged.
        """
        none = pieces_of(self.files.read(0))[:0]
        return Pieces.joined([none, *(self._of_row(int(row)) for row in rows)])

    def of_stretches(self, sizes: Iterable[int]) -> Iterator[Pieces]:
        """The pieces of stretches of rows that follow one another from row 0 on.

        Args:
            sizes: rows of each stretch. Few files of the table are in memory at a time.

        Raises:
            UserError: a file of the table is missing or damaged.
        """
        files = (pieces_of(self.files.read(index)) for index in range(len(self.files.paths)))
        waiting, end = next(files), 0
        for size in sizes:
            end += size
            parts = [waiting]
            while not len(parts[-1]) or parts[-1].row[-1] < end:
                if (more := next(files, None)) is None:
                    break
                parts.append(more)
            found = Pieces.joined(parts)
            num_within = int(np.searchsorted(found.row, end))
            yield found[:num_within]
            waiting = found[num_within:]

    def table(self) -> pa.Table:
        """All of it in memory, 24 bytes a piece."""
        return whole_table(self.files)

    def _of_row(self, row: int) -> Pieces:
        """The pieces of a row, which may lie in two files."""
        low, high = 0, len(self.files.paths)
        while high - low > 1:  # the last file whose first row is not after this one
            middle = (low + high) // 2
            first = self.files.read(middle).column("row")[0].as_py()
            low, high = (middle, high) if first <= row else (low, middle)
        parts: list[Pieces] = []
        for index in range(low, -1, -1):
            pieces = pieces_of(self.files.read(index))
            begin, end = np.searchsorted(pieces.row, [row, row + 1])
            parts.insert(0, pieces[int(begin) : int(end)])
            if begin > 0:
                break
        return Pieces.joined(parts)


def pieces_of(table: pa.Table) -> Pieces:
    """The rows of a table of pieces."""
    columns = (table.column(field.name).to_numpy() for field in fields(Pieces))
    return Pieces(*(column.astype(np.int64) for column in columns))


def token_places(pieces: Pieces, first_row: int, sequence_length: int) -> NDArray[np.int64]:
    """The place of each token of some pieces in rows that are laid one after another.

    Args:
        pieces: in the order of the tokens.
        first_row: the row whose first position has place 0.
        sequence_length: of a row.
    """
    begins = (pieces.row - first_row) * sequence_length + pieces.position
    before = np.cumsum(pieces.num_tokens) - pieces.num_tokens
    within = np.arange(pieces.num_tokens.sum()) - np.repeat(before, pieces.num_tokens)
    places: NDArray[Any] = np.repeat(begins, pieces.num_tokens) + within
    return places
