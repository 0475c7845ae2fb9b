"""A stream of encoded documents to full rows of one length, with nothing dropped.

A row is `begin content end`; begin and end are the tokenizer's special tokens for that, where it
has them. Documents follow one another within a row, an end token between them. A word that does not
end with its row is cut there: its rest begins the next row, and each piece counts as a word of its
row. So every row is full, and only the last one is padded: a batch without it needs no attention
mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.token_classes import NO_CLASS

_Stream = tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint8]]
"""Ids, kinds (below) and classes of tokens one after another."""

_INSIDE, _WORD_START, _SEPARATOR = range(3)


@dataclass(frozen=True)
class EncodedDocument:
    """The tokens of one document, without special tokens.

    Attributes:
        ids: vocabulary ids, shape [N].
        word_starts: whether each token is its word's first, shape [N]; position 0 always counts.
        classes: class of each token's word, `NO_CLASS` where it has none, shape [N].
    """

    ids: NDArray[np.uint32]
    word_starts: NDArray[np.bool_]
    classes: NDArray[np.uint8]

    @property
    def num_words(self) -> int:
        """Words of the document, each counted once, however rows cut it."""
        return int(self.word_starts[1:].sum()) + bool(len(self.ids))


@dataclass(frozen=True)
class Rows:
    """Sequences of L tokens, as they are stored.

    Attributes:
        input_ids: vocabulary ids, smallest unsigned type that holds the vocabulary, shape [n, L].
        word_start: whether a token is its word's first in this row, shape [n, L]; false at special
            and padding positions, so that a row's sum is its number of words.
        token_class: class of each token's word, shape [n, L]; `NO_CLASS` where it has none, and at
            special and padding positions.
        length: positions before the padding, special tokens included, shape [n].
    """

    input_ids: NDArray[Any]
    word_start: NDArray[np.bool_]
    token_class: NDArray[np.uint8]
    length: NDArray[np.int32]

    def __getitem__(self, index: slice | NDArray[np.integer[Any]]) -> Rows:
        return Rows(*(column[index] for column in self.columns()))

    def columns(self) -> list[NDArray[Any]]:
        """The four arrays, in the order of the attributes."""
        return [getattr(self, field.name) for field in fields(self)]

    @classmethod
    def concatenate(cls, blocks: Sequence[Rows]) -> Rows:
        """Copies of the rows of one block or more, in order."""
        columns = zip(*(block.columns() for block in blocks), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True, kw_only=True)
class RowLayout:
    """The form of a row: its length in tokens and the ids that are not text.

    Documents are separated by `separator_id`, which is `end_id` where rows end in one.
    """

    sequence_length: int
    vocab_size: int
    begin_id: int | None
    end_id: int | None
    separator_id: int | None
    pad_id: int

    @property
    def capacity(self) -> int:
        """Maximum content tokens of a row, separators between documents included."""
        return self.sequence_length - (self.begin_id is not None) - (self.end_id is not None)

    @property
    def id_type(self) -> type[np.unsignedinteger[Any]]:
        """Smallest unsigned type that holds every id of the vocabulary."""
        kinds = (np.uint8, np.uint16, np.uint32)
        return next(kind for kind in kinds if self.vocab_size - 1 <= np.iinfo(kind).max)


class RowPacker:
    """Packs documents as they come; tokens that do not fill a row wait for more.

    The rows depend on the documents and their order alone, not on `block_tokens`.
    """

    def __init__(self, layout: RowLayout, *, block_tokens: int = 1 << 18) -> None:
        """Collect about `block_tokens` tokens before rows are made of them."""
        assert layout.capacity >= 1, f"a row holds no text: {layout}"
        self._layout = layout
        self._block_tokens = block_tokens
        self._waiting: list[EncodedDocument] = []
        self._num_waiting_tokens = 0
        self._rest = (np.empty(0, np.uint32), np.empty(0, np.uint8), np.empty(0, np.uint8))
        self._needs_separator = False

    def add(self, document: EncodedDocument) -> Iterator[Rows]:
        """Add one more document; yields a block of full rows once enough tokens are waiting."""
        self._waiting.append(document)
        self._num_waiting_tokens += len(document.ids)
        if self._num_waiting_tokens >= self._block_tokens:
            yield from self._pack(is_last=False)

    def finish(self) -> Iterator[Rows]:
        """The remaining rows, the last of them padded; one block, empty if none remain."""
        yield from self._pack(is_last=True)

    def _pack(self, *, is_last: bool) -> Iterator[Rows]:
        stream = self._take_waiting()
        ids, kinds, classes = stream
        begins, ends, num_used = _row_bounds(kinds, self._layout.capacity, is_last=is_last)
        self._rest = (ids[num_used:], kinds[num_used:], classes[num_used:])
        if len(begins) or is_last:
            yield _fill_rows(self._layout, stream, begins, ends)

    def _take_waiting(self) -> _Stream:
        """The tokens that are left over and the waiting documents, separators between them."""
        separator_id = self._layout.separator_id
        parts = [self._rest]
        for document in self._waiting:
            if not len(document.ids):
                continue
            if self._needs_separator and separator_id is not None:
                parts.append(_separator(separator_id))
            kinds = document.word_starts.astype(np.uint8)  # _INSIDE is 0, _WORD_START is 1
            kinds[0] = _WORD_START
            parts.append((document.ids, kinds, document.classes))
            self._needs_separator = True
        self._waiting, self._num_waiting_tokens = [], 0
        all_ids, all_kinds, all_classes = zip(*parts, strict=True)
        return np.concatenate(all_ids), np.concatenate(all_kinds), np.concatenate(all_classes)


def _separator(separator_id: int) -> _Stream:
    return (
        np.array([separator_id], np.uint32),
        np.array([_SEPARATOR], np.uint8),
        np.array([NO_CLASS], np.uint8),
    )


def _row_bounds(
    kinds: NDArray[np.uint8], capacity: int, *, is_last: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Begin and end of each row's content in the stream, and how many tokens the rows use up.

    A separator at the begin of a row is left out: the row's own special token stands there. One at
    its end stays, so that the row is full. Fewer tokens than fill a row make one only if they are
    the last of the stream, which are never a separator.
    """
    bounds: list[tuple[int, int]] = []
    begin, num_tokens = 0, len(kinds)
    while begin < num_tokens:
        begin += int(kinds[begin] == _SEPARATOR)
        end = begin + capacity
        if end > num_tokens and not is_last:
            break
        bounds.append((begin, min(end, num_tokens)))
        begin = end
    begins, ends = np.array(bounds, np.int64).reshape(-1, 2).T
    return begins, ends, min(begin, num_tokens)


def _fill_rows(
    layout: RowLayout,
    stream: _Stream,
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> Rows:
    # One gather for all rows: places beyond a row's content are clipped to the stream, and
    # overwritten with padding.
    ids, kinds, classes = stream
    offset = int(layout.begin_id is not None)
    num_rows, length = len(begins), layout.sequence_length
    places = begins[:, None] + np.arange(layout.capacity)
    is_content = places < ends[:, None]
    places = np.minimum(places, len(ids) - 1)
    content = slice(offset, offset + layout.capacity)

    input_ids = np.full((num_rows, length), layout.pad_id, layout.id_type)
    input_ids[:, content] = np.where(is_content, ids[places], layout.pad_id)
    word_start = np.zeros((num_rows, length), np.bool_)
    word_start[:, content] = is_content & (kinds[places] == _WORD_START)
    word_start[:, offset] = True  # also where the row begins within a word
    token_class = np.full((num_rows, length), NO_CLASS, np.uint8)
    token_class[:, content] = np.where(is_content, classes[places], NO_CLASS)

    lengths = (ends - begins + offset).astype(np.int32)
    if layout.begin_id is not None:
        input_ids[:, 0] = layout.begin_id
    if layout.end_id is not None:
        input_ids[np.arange(num_rows), lengths] = layout.end_id
        lengths += 1
    return Rows(input_ids, word_start, token_class, lengths)
