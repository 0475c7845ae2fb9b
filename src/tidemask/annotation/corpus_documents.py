"""The documents of a corpus as their tokens, put together again from the rows of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tidemask.annotation.row_seams import RowSeams
from tidemask.annotation.source import DocumentTokens
from tidemask.corpus.store.pieces import Pieces, pieces_of, token_places
from tidemask.corpus.store.split import CorpusSplit

BLOCK_TOKENS = 1 << 16
"""Tokens of documents that are worked on together, at least, unless the file of rows ends before:
long documents make larger blocks."""


@dataclass(frozen=True)
class DocumentBlock:
    """Some documents that follow one another.

    Attributes:
        documents: their tokens.
        pieces: where in the rows they are, in the order of the documents.
    """

    documents: list[DocumentTokens]
    pieces: Pieces

    @property
    def last_row(self) -> int:
        """The last row that has any of them."""
        return int(self.pieces.row[-1])


def document_blocks(
    split: CorpusSplit, seams: RowSeams, *, first_row: int = 0
) -> Iterator[DocumentBlock]:
    """The documents of a split, in order, in blocks.

    The first document that ends in another file of rows begins a block, so that the blocks from a
    file on are the same when all before it is left out.

    Args:
        split: of a corpus.
        seams: of its tokenizer, for words that two rows have a part of.
        first_row: documents that end before this row are left out; the first row of a file.

    Raises:
        UserError: a file of the corpus is missing or damaged.
    """
    ends_of_files = np.cumsum(split.file_rows)
    waiting: list[Pieces] = []
    num_waiting = of_file = 0
    for pieces in _of_documents(split):
        if not len(pieces) or pieces.row[-1] < first_row:
            continue
        in_file = int(np.searchsorted(ends_of_files, pieces.row[-1], side="right"))
        if waiting and (in_file != of_file or num_waiting >= BLOCK_TOKENS):
            yield _block(split, Pieces.joined(waiting), seams)
            waiting, num_waiting = [], 0
        waiting.append(pieces)
        num_waiting += int(pieces.num_tokens.sum())
        of_file = in_file
    if waiting:
        yield _block(split, Pieces.joined(waiting), seams)


def _of_documents(split: CorpusSplit) -> Iterator[Pieces]:
    """The pieces of each document: those of one may lie in two files of the table."""
    files = split.pieces.files
    rest: Pieces | None = None
    for index in range(len(files.paths)):
        pieces = pieces_of(files.read(index))
        if rest is not None:
            pieces = Pieces.joined([rest, pieces])
        begins = np.flatnonzero(np.diff(pieces.document, prepend=-1)).tolist()
        for begin, end in pairwise(begins):
            yield pieces[begin:end]
        rest = pieces[begins[-1] :] if begins else pieces
    if rest is not None:
        yield rest


def _block(split: CorpusSplit, pieces: Pieces, seams: RowSeams) -> DocumentBlock:
    first = int(pieces.row[0])
    rows = split.rows(np.arange(first, int(pieces.row[-1]) + 1))
    places = token_places(pieces, first, rows.input_ids.shape[1])
    ids, word_starts, classes = (column.reshape(-1)[places] for column in rows.columns()[:3])
    is_first = np.diff(pieces.document, prepend=-1) != 0
    places_of_seams = (np.cumsum(pieces.num_tokens) - pieces.num_tokens)[~is_first]
    word_starts = seams.joined(ids, word_starts, places_of_seams)
    begins = np.flatnonzero(is_first)
    ends = np.cumsum(np.add.reduceat(pieces.num_tokens, begins)).tolist()
    numbers = pieces.document[begins].tolist()
    documents = [
        DocumentTokens(number, ids[begin:end], word_starts[begin:end], classes[begin:end])
        for number, (begin, end) in zip(numbers, pairwise([0, *ends]), strict=True)
    ]
    return DocumentBlock(documents, pieces)
