"""A stream of encoded documents to full rows of one length, with nothing dropped.

A row is `begin content end`; begin and end are the tokenizer's special tokens for that, where it
has them. Documents follow one another within a row, an end token between them. A word that does not
end with its row is cut there: its rest begins the next row, and each piece counts as a word of its
row. So every row is full, and only the last one is padded: a batch without it needs no attention
mask. Beside the rows, pieces say which document each stretch of a row is from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.pieces import Pieces
from tidemask.corpus.store.rows import EncodedDocument, RowLayout, Rows
from tidemask.token_classes import NO_CLASS

_INSIDE, _WORD_START, _SEPARATOR = range(3)
_NO_DOCUMENT = -1


class _Stream(NamedTuple):
    """Tokens one after another, each array of shape [N]."""

    ids: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    """`_INSIDE`, `_WORD_START` or `_SEPARATOR`."""
    classes: NDArray[np.uint8]
    documents: NDArray[np.int64]
    """Number of each token's document; `_NO_DOCUMENT` for separators."""
    offsets: NDArray[np.int64]
    """Number of each token within its document."""
    starts: NDArray[np.int64]
    """Offset of each token's first character within its document."""

    @classmethod
    def joined(cls, parts: Sequence[_Stream]) -> _Stream:
        """One part or more, one after another."""
        columns: Any = zip(*parts, strict=True)
        return cls(*map(np.concatenate, columns))

    def with_separators(self, separator_id: int, places: NDArray[np.int64]) -> _Stream:
        """The tokens with a separator before each of some places."""
        values = (separator_id, _SEPARATOR, NO_CLASS, *[_NO_DOCUMENT] * 3)
        columns: Any = zip(self, values, strict=True)
        return _Stream(*(np.insert(column, places, value) for column, value in columns))

    def after(self, begin: int) -> _Stream:
        """The tokens from a place on."""
        columns: Any = (column[begin:] for column in self)
        return _Stream(*columns)


_EMPTY = _Stream(
    *(np.empty(0, kind) for kind in ("u4", "u1", "u1", "i8", "i8", "i8")),  # as of a document
)


class RowPacker:
    """Packs documents as they come; tokens that do not fill a row wait for more.

    The rows depend on the documents and their order alone, not on `block_tokens`.
    """

    def __init__(self, layout: RowLayout, *, block_tokens: int = 1 << 18) -> None:
        """Collect about `block_tokens` tokens before rows are made of them."""
        assert layout.capacity >= 1, f"a row holds no text: {layout}"
        self._layout = layout
        self._block_tokens = block_tokens
        self._waiting: list[tuple[int, EncodedDocument]] = []
        self._num_waiting_tokens = 0
        self._rest = _EMPTY
        self._needs_separator = False
        self._num_rows = 0

    def add(self, document: EncodedDocument, number: int) -> Iterator[tuple[Rows, Pieces]]:
        """Add one more document; yields a block of full rows once enough tokens are waiting.

        Args:
            document: its tokens.
            number: what its pieces name it by, 0 or more.
        """
        self._waiting.append((number, document))
        self._num_waiting_tokens += len(document.ids)
        if self._num_waiting_tokens >= self._block_tokens:
            yield self._pack(is_last=False)

    def finish(self) -> Iterator[tuple[Rows, Pieces]]:
        """The remaining rows, the last of them padded; one block, empty if none remain."""
        yield self._pack(is_last=True)

    def flush(self) -> Iterator[tuple[Rows, Pieces]]:
        """Full rows of the documents that wait; only what does not fill a row waits then."""
        yield self._pack(is_last=False)

    def state(self) -> dict[str, NDArray[Any]]:
        """What waits after `flush`, to go on from."""
        progress = np.array([self._num_rows, self._needs_separator])
        return {"progress": progress, **self._rest._asdict()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state."""
        self._num_rows = int(state["progress"][0])
        self._needs_separator = bool(state["progress"][1])
        self._rest = _Stream(*(state[name] for name in _Stream._fields))

    def _pack(self, *, is_last: bool) -> tuple[Rows, Pieces]:
        stream = self._take_waiting()
        begins, ends, num_used = _row_bounds(stream.kinds, self._layout.capacity, is_last=is_last)
        self._rest = stream.after(num_used)
        rows = _fill_rows(self._layout, stream, begins, ends)
        pieces = _pieces(self._layout, stream, begins, ends, self._num_rows)
        self._num_rows += len(begins)
        return rows, pieces

    def _take_waiting(self) -> _Stream:
        """The tokens that are left over and the waiting documents, separators between them."""
        waiting = [(number, document) for number, document in self._waiting if len(document.ids)]
        self._waiting, self._num_waiting_tokens = [], 0
        if not waiting:
            return self._rest
        begins, stream = _of_documents(waiting)
        if self._layout.separator_id is not None:
            ends = begins if self._needs_separator else begins[1:]
            stream = stream.with_separators(self._layout.separator_id, ends)
        self._needs_separator = True
        return _Stream.joined([self._rest, stream])


def _of_documents(
    numbered: Sequence[tuple[int, EncodedDocument]],
) -> tuple[NDArray[np.int64], _Stream]:
    """Where each document begins, and the tokens of all; none is empty, and there is one or more.

    All at once: one by one, documents of twenty words take longer than their tokens do.
    """
    documents = EncodedDocument.joined([document for _, document in numbered])
    lengths = np.array([len(document.ids) for _, document in numbered])
    begins = np.cumsum(lengths) - lengths
    kinds = documents.word_starts.astype(np.uint8)  # _INSIDE is 0, _WORD_START is 1
    kinds[begins] = _WORD_START
    numbers = np.array([number for number, _ in numbered], np.int64).repeat(lengths)
    offsets = np.arange(len(kinds)) - begins.repeat(lengths)
    return begins, _Stream(
        documents.ids, kinds, documents.classes, numbers, offsets, documents.starts
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
    offset = int(layout.begin_id is not None)
    num_rows, length = len(begins), layout.sequence_length
    places = begins[:, None] + np.arange(layout.capacity)
    is_content = places < ends[:, None]
    places = np.minimum(places, len(stream.ids) - 1)
    content = slice(offset, offset + layout.capacity)

    input_ids = np.full((num_rows, length), layout.pad_id, layout.id_type)
    input_ids[:, content] = np.where(is_content, stream.ids[places], layout.pad_id)
    word_start = np.zeros((num_rows, length), np.bool_)
    word_start[:, content] = is_content & (stream.kinds[places] == _WORD_START)
    word_start[:, offset] = True  # also where the row begins within a word
    token_class = np.full((num_rows, length), NO_CLASS, np.uint8)
    token_class[:, content] = np.where(is_content, stream.classes[places], NO_CLASS)

    lengths = (ends - begins + offset).astype(np.int32)
    if layout.begin_id is not None:
        input_ids[:, 0] = layout.begin_id
    if layout.end_id is not None:
        input_ids[np.arange(num_rows), lengths] = layout.end_id
        lengths += 1
    return Rows(input_ids, word_start, token_class, lengths)


def _pieces(
    layout: RowLayout,
    stream: _Stream,
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    first_row: int,
) -> Pieces:
    """The pieces of documents in the rows, which begin and end at these places of the stream."""
    last = int(ends[-1]) if len(ends) else 0
    documents = stream.documents[:last]
    is_border = np.diff(documents, prepend=_NO_DOCUMENT - 1) != 0
    is_border[begins] = True
    borders = np.flatnonzero(is_border)
    lengths = np.diff(borders, append=last)
    is_text = documents[borders] != _NO_DOCUMENT
    places, lengths = borders[is_text], lengths[is_text]
    row = np.searchsorted(begins, places, side="right") - 1
    return Pieces(
        row=first_row + row,
        position=places - begins[row] + int(layout.begin_id is not None),
        num_tokens=lengths,
        document=documents[places],
        token_offset=stream.offsets[places],
        character_offset=stream.starts[places],
    )
