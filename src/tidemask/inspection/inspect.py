"""What a prepared corpus holds, in tables, samples and one page."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from tidemask.corpus.store.columns import StoredColumn, open_column
from tidemask.corpus.store.corpus import (
    HELD_OUT,
    TRAIN,
    PreparedCorpus,
    open_corpus,
    verify_corpus,
)
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.files.atomic import write_atomically
from tidemask.files.paths import given_path
from tidemask.inspection.columns import count_columns
from tidemask.inspection.documents import count_documents
from tidemask.inspection.row_counts import RowCounts, count_rows
from tidemask.inspection.row_words import (
    RowPiece,
    row_pieces,
    sampled_rows,
    sampled_rows_of_column,
)
from tidemask.inspection.shown_words import shown_words
from tidemask.inspection.source_text import source_texts
from tidemask.inspection.tables import corpus_tables
from tidemask.progress import NoteCallback
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.report.corpus_page import render_corpus_page
from tidemask.report.tables.typed_table import Table
from tidemask.settings import check_integer
from tidemask.system_errors import named_causes
from tidemask.token_classes import UPOS_COLUMN, TokenColumn

logger = logging.getLogger(__name__)

_TO_SAVE_MEMORY = "End other programs."


@dataclass(frozen=True)
class Inspection:
    """What a corpus holds.

    Attributes:
        corpus: the corpus.
        tables: by their names: `splits`, `sources`, `document_lengths`, `dropped`, `classes`,
            `columns`, `column_classes`, `column_weights`, `tokens_per_word` and `entries`; without
            those that the corpus has no numbers for.
        column: what the words of the samples have: a column of the corpus, or the classes that the
            preparation recorded; `None` where there are none.
        samples: stretches of rows of the training split at even distances, with their words.
        notes: what was unusual in its preparation, one sentence each.

    Example:
        >>> import tidemask
        >>> found = tidemask.inspect_corpus("corpus", samples=1)
        >>> found.samples[0][0].words[0].class_name in found.tables["classes"].values("class")
        True
    """

    corpus: PreparedCorpus
    tables: Mapping[str, Table]
    column: TokenColumn | None
    samples: Sequence[Sequence[RowPiece]]
    notes: Sequence[str]

    def page(self) -> str:
        """All of it as one HTML page that needs no network."""
        return render_corpus_page(
            name=str(self.corpus.root),
            fingerprint=self.corpus.manifest.fingerprint,
            notes=self.notes,
            tables=self.tables,
            column=self.column,
            samples=[
                shown_words(
                    [word for piece in sample for word in piece.words],
                    in_tokens=self.column is None,
                )
                for sample in self.samples
            ],
        )

    def write_page(self, path: str | Path) -> None:
        """Write the page to a file, which is replaced.

        Raises:
            UserError: it cannot be written.
        """
        write_atomically(given_path(path, "page"), self.page(), what="page")


@named_causes(_TO_SAVE_MEMORY)
def inspect_corpus(
    corpus: str | Path,
    *,
    samples: int = 3,
    column: str | None = None,
    progress: bool | ProgressDisplay = True,
) -> Inspection:
    """Count what a prepared corpus holds, whose rows are those that were written.

    The same as `tidemask inspect`.

    Args:
        corpus: a prepared corpus.
        samples: rows of the training split to show, at even distances.
        column: what the samples show of their words, a column of the corpus; each is then the first
            row of which the column says something, from its place on. `None` is the classes that
            the preparation recorded.
        progress: whether to show progress in a terminal or notebook; or where to show it.

    Raises:
        UserError: there is no such corpus or column, it is damaged, or `samples` is below 0.

    Example:
        >>> import tidemask
        >>> found = tidemask.inspect_corpus("corpus")
        >>> found.tables["splits"].values("split"), len(found.samples)
        (['train', 'held_out'], 3)
    """
    num_samples = check_integer("samples", samples, minimum=0)
    opened = open_corpus(corpus)
    shown = _opened_column(opened, column)
    verify_corpus(opened)
    tokenizer = load_tokenizer(opened.tokenizer_directory)
    special = {*tokenizer.frame.ids, tokenizer.pad_id}
    counts: dict[str, RowCounts] = {}
    with displayed(progress) as display:
        for name in (TRAIN, HELD_OUT):
            split = getattr(opened, name)
            counts[name] = count_rows(
                split, special, opened.manifest.vocab_size, display.on_progress
            )
        columns = count_columns(opened)
    if shown is None:
        rows = sampled_rows(len(opened.train), num_samples)
    else:
        rows = sampled_rows_of_column(shown.train, shown.manifest.kind, num_samples)
    return Inspection(
        corpus=opened,
        tables=corpus_tables(opened.manifest, counts, count_documents(opened), columns, tokenizer),
        column=_recorded_classes(opened) if shown is None else shown.manifest.column,
        samples=[row_pieces(opened, TRAIN, row, tokenizer, shown) for row in rows],
        notes=opened.manifest.notes,
    )


def _recorded_classes(corpus: PreparedCorpus) -> TokenColumn | None:
    """The classes that the preparation recorded, as a column; `None` where there are none."""
    names = corpus.manifest.class_names
    return TokenColumn(name=UPOS_COLUMN, kind="class", class_names=names) if names else None


def _opened_column(corpus: PreparedCorpus, name: str | None) -> StoredColumn | None:
    """A column by its name; `None` stands for the classes of the preparation.

    Raises:
        UserError: there is no such column.
    """
    return None if name in (None, UPOS_COLUMN) else open_column(corpus, str(name))


@named_causes(_TO_SAVE_MEMORY)
def inspect_row(
    corpus: str | Path,
    row: int,
    *,
    split: str = TRAIN,
    column: str | None = None,
    on_note: NoteCallback = logger.warning,
) -> list[RowPiece]:
    """The documents, words and text behind one row.

    The same as `tidemask inspect CORPUS --text ROW`. The text is read again from the sources that
    the manifest names, which are compared with their hashes; a note says where that cannot be.

    Args:
        corpus: a prepared corpus.
        row: number of the row in its split, from 0.
        split: "train" or "held_out".
        column: whose classes, weights or groups the words have; `None` for the classes that the
            preparation recorded.
        on_note: called with why there is no text.

    Raises:
        UserError: there is no such corpus, split, row or column.
    """
    opened = open_corpus(corpus)
    shown = _opened_column(opened, column)
    tokenizer = load_tokenizer(opened.tokenizer_directory)
    pieces = row_pieces(opened, split, row, tokenizer, shown)
    is_last = row + 1 == len(getattr(opened, split))
    following = [] if is_last else row_pieces(opened, split, row + 1, tokenizer)
    documents = [piece.document for piece in pieces if piece.document is not None]
    texts, notes = source_texts(opened, documents)
    for note in notes:
        on_note(note)
    pairs = zip_longest(pieces, [*pieces[1:], *following[:1]])
    return [_with_text(piece, after, texts) for piece, after in pairs]


def _with_text(piece: RowPiece, after: RowPiece | None, texts: Mapping[int, str]) -> RowPiece:
    """The piece with its text, which ends where the piece after it begins, in one document."""
    if piece.document is None or piece.document.number not in texts:
        return piece
    text = texts[piece.document.number]
    goes_on = after is not None and after.document == piece.document
    end = after.character_offset if after is not None and goes_on else len(text)
    return replace(piece, text=text[piece.character_offset : end])
