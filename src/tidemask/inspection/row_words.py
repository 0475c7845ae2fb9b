"""The words of rows with their classes, as a reader sees them, and the text behind a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.columns import ColumnRows, StoredColumn
from tidemask.corpus.store.corpus import PreparedCorpus
from tidemask.corpus.store.documents import DocumentRecord
from tidemask.corpus.store.rows import Rows
from tidemask.corpus.store.split import CorpusSplit
from tidemask.corpus.store.tables import damaged_table
from tidemask.corpus.tokenizing.shown_entries import shown_entry
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.settings import check_integer
from tidemask.token_classes import COLUMN_FORMS, NO_CLASS, ColumnKind

TOKEN_BORDER = "·"
"""Between two tokens of a word."""

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class RowWord:
    """A word of a row.

    Attributes:
        text: its tokens decoded, without white space around.
        pieces: the tokens as the vocabulary spells them.
        class_name: of its class; `None` where it has none.
        shown_tokens: its tokens as a reader sees them, with `TOKEN_BORDER` between two.
        weight: the largest of its tokens, of a column of weights; `None` of others.
        group: of the first of its tokens that is in one, of a column of groups; else `None`.
    """

    text: str
    pieces: tuple[str, ...]
    class_name: str | None
    shown_tokens: str
    weight: float | None = None
    group: int | None = None


@dataclass(frozen=True)
class RowPiece:
    """A stretch of a row that is from one document.

    Attributes:
        document: the document; `None` in corpora of earlier versions, which do not know it.
        character_offset: characters of the document's text before the stretch.
        words: its words.
        text: its text as the source has it; `None` where that was not looked for.
    """

    document: DocumentRecord | None
    character_offset: int
    words: tuple[RowWord, ...]
    text: str | None = None


def sampled_rows(num_rows: int, num_samples: int) -> list[int]:
    """Rows at even distances, the first among them; all where there are no more."""
    count = min(num_rows, num_samples)
    return [number * num_rows // count for number in range(count)]


def sampled_rows_of_column(values: ColumnRows, kind: ColumnKind, num_samples: int) -> list[int]:
    """As `sampled_rows`, but of each stretch the first row of which a column says something.

    Args:
        values: of the column in the rows.
        kind: of the column.
        num_samples: rows that are wanted.
    """
    begins = sampled_rows(len(values), num_samples)
    none = COLUMN_FORMS[kind][1]
    found = []
    for begin, end in pairwise([*begins, len(values)]):
        parts = range(begin, end, _ROWS_AT_ONCE)
        of_parts = (
            part
            + np.flatnonzero(
                (values.of_rows(range(part, min(part + _ROWS_AT_ONCE, end))) != none).any(1)
            )
            for part in parts
        )
        found.append(next((int(rows[0]) for rows in of_parts if len(rows)), begin))
    return found


def row_pieces(
    corpus: PreparedCorpus,
    split: str,
    row: int,
    tokenizer: CorpusTokenizer,
    column: StoredColumn | None = None,
) -> list[RowPiece]:
    """The stretches of a row, each with its document and its words.

    Args:
        corpus: the corpus.
        split: "train" or "held_out".
        row: number of the row in its split.
        tokenizer: that of the corpus.
        column: whose classes, weights or groups the words have; `None` for the classes that the
            preparation recorded.

    Raises:
        UserError: there is no such row, or what is recorded of it is damaged.
    """
    rows_of_split: CorpusSplit = getattr(corpus, split)
    if not len(rows_of_split):
        raise UserError(
            f"no such row: the {split} split of {corpus.root} is empty. Choose another."
        )
    try:
        check_integer("row", row, minimum=0, below=len(rows_of_split))
    except ValueError as error:
        raise UserError(f"no such row in the {split} split: {error}") from error
    rows = rows_of_split.rows([row])
    described = _DescribedRow.of(corpus, split, row, rows, column)
    if (rows.input_ids >= corpus.manifest.vocab_size).any():
        raise damaged_table(corpus.root / split)
    if not corpus.has_documents:
        return [RowPiece(None, 0, described.words(0, int(rows.length[0]), tokenizer))]
    table, documents = rows_of_split.pieces, corpus.documents
    pieces = table.of_rows([row])
    outside = pieces.position + pieces.num_tokens > rows.input_ids.shape[1]
    if (outside | (pieces.document >= len(documents))).any():
        raise damaged_table(table.files.paths[0].parent)
    return [
        RowPiece(
            documents[document],
            int(offset),
            described.words(int(position), int(position + size), tokenizer),
        )
        for position, size, document, offset in zip(
            pieces.position,
            pieces.num_tokens,
            pieces.document,
            pieces.character_offset,
            strict=True,
        )
    ]


@dataclass(frozen=True)
class _DescribedRow:
    """One row with what is recorded of its tokens: classes, weights or groups, [L]."""

    rows: Rows
    kind: ColumnKind
    class_names: Sequence[str]
    values: NDArray[Any]

    @classmethod
    def of(
        cls, corpus: PreparedCorpus, split: str, row: int, rows: Rows, column: StoredColumn | None
    ) -> _DescribedRow:
        """The row as a column has it, or the preparation.

        Raises:
            UserError: a class is none of those that there are.
        """
        if column is None:
            described = cls(rows, "class", corpus.manifest.class_names, rows.token_class[0])
            root = corpus.root / split
        else:
            of_split: ColumnRows = getattr(column, split)
            values = of_split.of_rows([row])[0]
            described = cls(rows, column.manifest.kind, column.manifest.class_names, values)
            root = column.root
        is_known = described.values < len(described.class_names)
        if described.kind == "class" and not (is_known | (described.values == NO_CLASS)).all():
            raise damaged_table(root)
        return described

    def words(self, begin: int, end: int, tokenizer: CorpusTokenizer) -> tuple[RowWord, ...]:
        """The words between two positions."""
        special = {*tokenizer.frame.ids, tokenizer.pad_id}
        ids = self.rows.input_ids[0, begin:end]
        is_text = ~np.isin(ids, list(special))
        starts = np.flatnonzero(self.rows.word_start[0, begin:end])
        words = []
        for start, stop in pairwise([*starts, len(ids)]):
            of_word = [int(token) for token in ids[start:stop][is_text[start:stop]]]
            values = self.values[begin + start : begin + stop][is_text[start:stop]]
            words.append(replace(_word(of_word, tokenizer), **self._said(values)))
        return tuple(words)

    def _said(self, values: NDArray[Any]) -> dict[str, Any]:
        """What the values of a word's tokens say of it."""
        if self.kind == "weight":
            return {"weight": float(values.max(initial=0))}
        present = values[values != COLUMN_FORMS[self.kind][1]]
        if not len(present):
            return {}
        if self.kind == "group":
            return {"group": int(present[0])}
        return {"class_name": self.class_names[present[0]]}


def _word(ids: list[int], tokenizer: CorpusTokenizer) -> RowWord:
    backend = tokenizer.tokenizer
    pieces = tuple(map(str, backend.convert_ids_to_tokens(ids)))
    return RowWord(
        text=str(backend.decode(ids)).strip() or "".join(pieces),
        pieces=pieces,
        class_name=None,
        shown_tokens=TOKEN_BORDER.join(
            shown_entry(backend, token).removeprefix("##") for token in ids
        ),
    )
