"""Text to a prepared corpus: deduplicated, split, tokenised, tagged, aligned, packed, stored.

The documents are streamed two or three times, never all in memory: once to decide about each
(dropped, training, held out), once more to train a tokenizer where none is given, and once to
encode them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tidemask.corpus.encoding import encode_documents
from tidemask.corpus.planning import planned_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import TextFiles, TextSource
from tidemask.corpus.sources.splitting import Documents, Split, SplitPlan
from tidemask.corpus.store.corpus import (
    HELD_OUT,
    MANIFEST,
    TOKENIZER,
    TRAIN,
    PreparedCorpus,
    open_corpus,
)
from tidemask.corpus.store.manifest import FORMAT_VERSION, Manifest
from tidemask.corpus.store.packing import EncodedDocument, RowLayout
from tidemask.corpus.store.shards import SplitWriter
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.files.atomic import check_new_directory, new_directory
from tidemask.files.paths import PATHS, given_path, one_or_several
from tidemask.processes import available_cores
from tidemask.progress import NoteCallback, ProgressCallback, ignore, reported
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.system_errors import named_causes

logger = logging.getLogger(__name__)

ENCODING = "tagging and tokenizing"
"""Name of the last stage for the progress callback, which counts documents."""

_TO_SAVE_MEMORY = "Use fewer workers (--workers) or, for a tokenizer that is trained, less text."


@named_causes(_TO_SAVE_MEMORY)
def prepare(
    text: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    tokenizer: str | Path | None = None,
    vocab_size: int | None = None,
    tagger: str | None = "textblob",
    sequence_length: int = 128,
    held_out: float = 0.05,
    workers: int | None = None,
    progress: bool | ProgressDisplay = True,
) -> PreparedCorpus:
    r"""Turn text files into a prepared corpus: tokenised, tagged, aligned and packed.

    The same as `tidemask prepare`.

    Args:
        text: .txt, .txt.gz or .txt.xz files, directories or globs; documents are separated by
            empty lines.
        out: directory to be made.
        tokenizer: directory or hub name of a fast tokenizer; `None` trains one.
        vocab_size: maximum entries of the tokenizer that is trained; 8192 if left out.
        tagger: "textblob", "spacy:NAME_OR_PATH", or "none" (or `None`) for no token classes.
        sequence_length: tokens of a row, special ones included.
        held_out: share of the documents kept for evaluation.
        workers: processes; one per core if left out.
        progress: whether to show progress in a terminal or notebook; or where to show it.

    Raises:
        UserError: as `TextFiles.find`, `TextFiles.__call__` and `prepare_corpus`; a setting is
            outside its range, or both a tokenizer and the size of one to train are given.

    Example:
        >>> import tidemask
        >>> from pathlib import Path
        >>> _ = Path("text.txt").write_text("The fox saw the grapes.\n\nA dog sat by the sea.\n")
        >>> corpus = tidemask.prepare(
        ...     "text.txt", out="prepared", vocab_size=64, held_out=0, workers=1
        ... )
        >>> corpus.manifest.train.num_documents, corpus.manifest.train.num_words
        (2, 13)
    """
    if tokenizer is not None and vocab_size is not None:
        raise UserError(
            f"both a tokenizer and the size of one to train: tokenizer={tokenizer}, "
            f"vocab_size={vocab_size}. Give one of them."
        )
    settings = PrepareSettings(
        tokenizer=str(tokenizer) if isinstance(tokenizer, Path) else tokenizer,
        vocab_size=PrepareSettings.vocab_size if vocab_size is None else vocab_size,
        tagger="none" if tagger is None else tagger,
        sequence_length=sequence_length,
        held_out=held_out,
        workers=available_cores() if workers is None else workers,
    )
    patterns = one_or_several(text, "text", PATHS, "a path, or several")
    with displayed(progress) as display:
        check_new_directory(given_path(out, "out"))
        files = TextFiles.find(patterns)
        return prepare_corpus(
            files,
            out=out,
            settings=settings,
            sources=files.sources(),
            on_progress=display.on_progress,
            on_note=display.on_note,
        )


@named_causes(_TO_SAVE_MEMORY)
def prepare_corpus(
    documents: Documents,
    *,
    out: str | Path,
    settings: PrepareSettings,
    sources: Sequence[TextSource] = (),
    on_progress: ProgressCallback = ignore,
    on_note: NoteCallback = logger.warning,
) -> PreparedCorpus:
    """Prepare documents into the new directory `out`, which is whole at the end or absent.

    Near-duplicates are dropped, the held-out split is made by document (see `plan_split`; of few
    documents at least one, and a single one is cut into passages), and a tokenizer is trained on
    the training split alone. The same documents and settings give the same fingerprint, whatever
    the number of workers.

    Args:
        documents: yields the same documents, in the same order, each time it is called.
        out: a directory that does not exist, or is empty.
        settings: of the rows, the tokenizer, the tagger and the split.
        sources: the files that the documents come from, for the manifest.
        on_progress: called at most a few times a second, with documents.
        on_note: called with what a user should know, one sentence at a time; the manifest has it.

    Raises:
        UserError: a split would be empty, `out` is taken, there is no such tokenizer or tagger, or
            the documents changed between two calls; a worker process died.
    """
    place = given_path(out, "out")
    with new_directory(place, last=MANIFEST) as staged, _one_thread_per_process():
        tagger = load_tagger(settings.tagger)
        class_names = () if tagger is None else tuple(tagger.class_names)
        documents, plan, tokenizer, notes = planned_corpus(documents, settings, on_progress)
        for note in notes:
            on_note(note)
        tokenizer.save(staged / TOKENIZER)
        layout = _row_layout(tokenizer, settings.sequence_length)
        train = SplitWriter(staged / TRAIN, layout, class_names)
        held_out = SplitWriter(staged / HELD_OUT, layout, class_names)
        kept = reported(plan.kept(documents()), on_progress, ENCODING, plan.num_kept)
        encoded = encode_documents(
            (text for text, _ in kept), tokenizer.encoder(), tagger, num_workers=settings.workers
        )
        _write_rows(encoded, plan, train, held_out)
        train_counts, train_hash = train.finish()
        held_out_counts, held_out_hash = held_out.finish()
        if train_counts.num_tokens == 0:
            raise UserError(
                "no tokens: the tokenizer makes nothing of this text. Expected words that it "
                "knows. Use another tokenizer, or look at the text."
            )
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            sequence_length=settings.sequence_length,
            vocab_size=tokenizer.vocab_size,
            tokenizer_fingerprint=tokenizer.fingerprint,
            tagger=settings.tagger,
            tagger_fingerprint="" if tagger is None else tagger.fingerprint,
            class_names=class_names,
            train=train_counts,
            held_out=held_out_counts,
            num_duplicates_dropped=plan.count(Split.DUPLICATE),
            sources=tuple(sources),
            fingerprint="",
            notes=tuple(notes),
            special_ids=tokenizer.named_special_ids,
        )
        manifest.with_fingerprint(train_hash, held_out_hash).write(staged / MANIFEST)
    return open_corpus(place)


def _row_layout(tokenizer: CorpusTokenizer, sequence_length: int) -> RowLayout:
    return RowLayout(
        sequence_length=sequence_length,
        vocab_size=tokenizer.vocab_size,
        begin_id=tokenizer.begin_id,
        end_id=tokenizer.end_id,
        separator_id=tokenizer.frame.document_end,
        pad_id=tokenizer.pad_id,
    )


def _write_rows(
    encoded: Generator[EncodedDocument, None, None],
    plan: SplitPlan,
    train: SplitWriter,
    held_out: SplitWriter,
) -> None:
    splits = (split for split in plan.splits if split in (Split.TRAIN, Split.HELD_OUT))
    with closing(encoded):  # ends the workers, also when this fails
        for document, split in zip(encoded, splits, strict=True):
            (train if split == Split.TRAIN else held_out).add(document)


@contextmanager
def _one_thread_per_process() -> Iterator[None]:
    """Keep `tokenizers` from starting threads, as worker processes share the work here.

    It warns on stderr whenever a process that ran its threads is forked, as a DataLoader does.
    """
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ.setdefault(name, "false")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
