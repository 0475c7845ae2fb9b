"""A prepared corpus gets a column: values of its tokens from a source, beside its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import get_args

from tidemask.annotation.corpus_documents import document_blocks
from tidemask.annotation.counted_manifest import counted_manifest
from tidemask.annotation.found_entries import FoundEntries
from tidemask.annotation.row_seams import RowSeams
from tidemask.annotation.row_values import RowValues
from tidemask.annotation.source import ColumnSource, SourceError, SourceRequest
from tidemask.annotation.sources import load_source
from tidemask.annotation.texts import document_texts
from tidemask.annotation.working import Work, values_of_blocks
from tidemask.corpus.going_on import note_begun, preparation_key, what_is_begun
from tidemask.corpus.store.column_files import ColumnWriter
from tidemask.corpus.store.columns import (
    COLUMN_FORMAT,
    COLUMN_MANIFEST,
    COLUMNS,
    StoredColumn,
    open_column,
)
from tidemask.corpus.store.corpus import (
    HELD_OUT,
    TRAIN,
    PreparedCorpus,
    open_corpus,
    verify_corpus,
)
from tidemask.corpus.store.rows import Rows
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import PlainTextEncoder
from tidemask.errors import UserError
from tidemask.files.continued import ContinuedDirectory, continued_directory
from tidemask.masking.batch import Batch
from tidemask.processes import available_cores, max_workers
from tidemask.progress import NoteCallback, ProgressCallback
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.settings import check_integer, shown
from tidemask.system_errors import named_causes
from tidemask.token_classes import UPOS_COLUMN, ColumnKind, TokenColumn

ANNOTATING = "annotating"
"""Name of the stage for the progress callback, which counts rows of both splits."""

_SPLITS = (TRAIN, HELD_OUT)

_OF_EVERY_CORPUS = {field.name for kind in (Rows, Batch) for field in fields(kind)} | {"labels"}
"""What rows and batches have of their own, under names that no column should have, too."""


@named_causes("Use fewer workers (--workers), or end other programs.")
def annotate(
    corpus: str | Path,
    *,
    column: str,
    source: str,
    attribute: str | None = None,
    kind: ColumnKind | None = None,
    workers: int | None = None,
    progress: bool | ProgressDisplay = True,
) -> StoredColumn:
    r"""Add a column to a prepared corpus: a class, a weight or a group for each of its tokens.

    The same as `tidemask annotate`. The corpus itself stays as it is. The column is whole at the
    end or absent; what was finished when it was interrupted is gone on with by the next call of the
    same column and source.

    Args:
        corpus: a prepared corpus.
        column: name of the column: letters, digits, `_` and `-`.
        source: where the values come from, such as `list:drugs.txt`; see the guide.
        attribute: which of several things the column takes of the source, such as `entities` of
            `spacy:PIPELINE`; the source's usual one if left out.
        kind: "class", "weight" or "group"; the source's usual one if left out.
        workers: processes; one per core if left out.
        progress: whether to show progress in a terminal or notebook; or where to show it.

    Raises:
        UserError: no such corpus or source, the corpus changed, a column of that name is there, the
            source says nothing of any token, or gives a wrong value, whose row and position are
            named.

    Example:
        >>> import tidemask
        >>> from pathlib import Path
        >>> _ = Path("things.txt").write_text("river\tWATER\nthe bridge\tPLACE\n")
        >>> made = tidemask.annotate(
        ...     "corpus", column="things", source="list:things.txt", workers=1, progress=False
        ... )
        >>> made.manifest.class_names
        ('PLACE', 'WATER')
    """
    opened = open_corpus(corpus)
    num_workers = _checked_workers(workers)
    _check_request(opened, column, kind)
    verify_corpus(opened)
    with displayed(progress) as display:
        request = SourceRequest(
            corpus=opened,
            column=column,
            name=source,
            argument=source.partition(":")[2],
            attribute=attribute,
            kind=kind,
            on_progress=display.on_progress,
            on_note=display.on_note,
        )
        made = load_source(request)
        _write(opened, request, made, num_workers, display.on_progress, display.on_note)
    return open_column(opened, column)


def _checked_workers(workers: int | None) -> int:
    if workers is None:
        return available_cores()
    try:
        return check_integer("workers", workers, minimum=1, below=max_workers() + 1)
    except ValueError as error:
        raise UserError(f"unusable number of processes: {error}") from error


def _check_request(corpus: PreparedCorpus, column: str, kind: ColumnKind | None) -> None:
    if kind is not None and kind not in get_args(ColumnKind):
        raise UserError(f"no such kind: kind={shown(kind)}. Expected class, weight or group.")
    if column == UPOS_COLUMN:
        raise UserError(
            f"column={column} is the name of the classes that preparation recorded. Choose another."
        )
    if column in _OF_EVERY_CORPUS:
        raise UserError(
            f"column={column} is the name of what every corpus or batch has. Choose another."
        )
    try:
        TokenColumn(name=column, kind="weight")
    except ValueError as error:
        raise UserError(f"unusable name of a column: {error}") from error
    if (corpus.root / COLUMNS / column / COLUMN_MANIFEST).is_file():
        raise UserError(
            f"column exists: {corpus.root / COLUMNS / column}. Expected a new name. Choose "
            "another, or remove that directory."
        )
    if not corpus.has_documents:
        raise UserError(
            f"corpus without its documents: {corpus.root} is of an earlier version, which does not "
            "say which document a row is from. Prepare the text again."
        )


def _write(
    corpus: PreparedCorpus,
    request: SourceRequest,
    source: ColumnSource,
    num_workers: int,
    on_progress: ProgressCallback,
    on_note: NoteCallback,
) -> None:
    column = TokenColumn(name=request.column, kind=source.kind, class_names=source.class_names)
    key = preparation_key(
        {
            "format": COLUMN_FORMAT,
            "corpus": corpus.manifest.fingerprint,
            "column": [column.name, column.kind, column.class_names],
            "source": source.fingerprint,
            "version": metadata.version("tidemask"),
        }
    )
    num_workers = min(num_workers, source.max_workers or num_workers)
    encoder = load_tokenizer(corpus.tokenizer_directory).encoder()
    place = corpus.root / COLUMNS / column.name
    with continued_directory(place, last=COLUMN_MANIFEST) as aside:
        if what_is_begun(aside, key) is None:
            note_begun(aside, key, ())
        elif _has_values(aside):
            on_note(f"Going on with the column {column.name}, which was interrupted.")
        found = FoundEntries(source, aside)
        try:
            for split in _SPLITS:
                directory = aside.path / split
                _write_split(
                    corpus, split, directory, column, source, encoder, num_workers, found,
                    on_progress,
                )  # fmt: skip
            manifest = counted_manifest(corpus, request, column, source, aside.path)
        except BaseException as error:
            if isinstance(error, SourceError) or not _has_values(aside):
                aside.clear()
            raise
        manifest.write(aside.path / COLUMN_MANIFEST)
    for note in (*manifest.notes, found.note):
        if note:
            on_note(note)


def _has_values(aside: ContinuedDirectory) -> bool:
    """Whether there is a finished file to go on after."""
    return any(aside.path.glob("*/*.arrow"))


def _write_split(
    corpus: PreparedCorpus,
    split: str,
    directory: Path,
    column: TokenColumn,
    source: ColumnSource,
    encoder: PlainTextEncoder,
    num_workers: int,
    found: FoundEntries,
    on_progress: ProgressCallback,
) -> None:
    """Write what is not there yet of one split."""
    rows, length = getattr(corpus, split), corpus.manifest.sequence_length
    writer = ColumnWriter(directory, column.kind, length, rows.file_rows)
    values = RowValues(column, writer, length, f"the {split} split")
    total, before = len(corpus.train) + len(corpus.held_out), _SPLITS.index(split)
    num_done = before * len(corpus.train)
    on_progress(ANNOTATING, num_done + writer.first_row, total)
    if writer.first_row < len(rows):
        work = _work(corpus, split, RowSeams(encoder), writer.first_row, source.reads_texts)
        for block, (of_block, entries) in values_of_blocks(work, source, encoder, num_workers):
            found.add(entries)
            values.add(block, of_block)
            on_progress(ANNOTATING, num_done + block.last_row + 1, total)
    values.finish()
    on_progress(ANNOTATING, num_done + len(rows), total)


def _work(
    corpus: PreparedCorpus, split: str, seams: RowSeams, first_row: int, reads_texts: bool
) -> Iterator[Work]:
    """The blocks of documents of a split, with their texts where these are read."""
    blocks = document_blocks(getattr(corpus, split), seams, first_row=first_row)
    if not reads_texts:
        for block in blocks:
            yield block, []
        return
    texts = document_texts(corpus, split)
    for block in blocks:
        numbers = {document.number for document in block.documents}
        of_block = []
        for text in texts:
            if text.number in numbers:
                of_block.append(text)
            if len(of_block) == len(numbers):
                break
        yield block, of_block
