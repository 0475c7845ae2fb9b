"""What is packed and stored: the tokens of a document, rows, and the form that rows have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EncodedDocument:
    """The tokens of one document, without special tokens.

    Attributes:
        ids: vocabulary ids, shape [N].
        word_starts: whether each token is its word's first, shape [N]; position 0 always counts.
        classes: class of each token's word, `NO_CLASS` where it has none, shape [N].
        starts: offset of each token's first character within the text, shape [N].
    """

    ids: NDArray[np.uint32]
    word_starts: NDArray[np.bool_]
    classes: NDArray[np.uint8]
    starts: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Iterable[EncodedDocument]) -> EncodedDocument:
        """The tokens of one part or more, one after another."""
        columns: Any = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

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

    Documents are separated by `separator_id`, which is `end_id` where rows end in one. Tokens of
    the text that are `unknown_id` or one of `special_ids` are counted.
    """

    sequence_length: int
    vocab_size: int
    begin_id: int | None
    end_id: int | None
    separator_id: int | None
    pad_id: int
    unknown_id: int | None = None
    special_ids: tuple[int, ...] = ()

    @property
    def capacity(self) -> int:
        """Maximum content tokens of a row, separators between documents included."""
        return self.sequence_length - (self.begin_id is not None) - (self.end_id is not None)

    @property
    def id_type(self) -> type[np.unsignedinteger[Any]]:
        """Smallest unsigned type that holds every id of the vocabulary."""
        kinds = (np.uint8, np.uint16, np.uint32)
        return next(kind for kind in kinds if self.vocab_size - 1 <= np.iinfo(kind).max)
