"""Documents to a prepared corpus: deduplicated, split, tokenised, tagged, aligned, packed, stored.

The documents are streamed two or three times, never all in memory: once to decide about each
(dropped, training, held out), once more to train a tokenizer where none is given, and once to
encode them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from tidemask.corpus.encoding import encode_documents
from tidemask.corpus.encoding_workers import software_of
from tidemask.corpus.going_on import note_begun, noted_state, preparation_key, what_is_begun
from tidemask.corpus.planning import planned_split, planned_tokenizer
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import TextSource
from tidemask.corpus.splitting.plan import Documents, SplitPlan
from tidemask.corpus.store.corpus import (
    MANIFEST,
    TOKENIZER,
    PreparedCorpus,
    open_corpus,
)
from tidemask.corpus.store.manifest import FORMAT_VERSION, Manifest, SplitCounts
from tidemask.corpus.store.rows import RowLayout
from tidemask.corpus.store.tag_accuracy import TagAccuracy
from tidemask.corpus.tag_check import tag_accuracy
from tidemask.corpus.tagging.given_tags import GivenTagger
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.corpus.text_encoding import resolved_rule
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.unknown_share import unknown_note
from tidemask.corpus.tokenizing.wanted_entries import wanted_entries
from tidemask.corpus.watched_text import watched
from tidemask.corpus.writing import CorpusWriter, write_documents
from tidemask.errors import UserError
from tidemask.files.continued import ContinuedDirectory, continued_directory
from tidemask.files.paths import given_path
from tidemask.processes import available_cores
from tidemask.progress import NoteCallback, ProgressCallback, ignore
from tidemask.ray_connection import connected_ray, num_cpus
from tidemask.system_errors import named_causes

logger = logging.getLogger(__name__)

TO_SAVE_MEMORY = "Use fewer workers (--workers) or, for a tokenizer that is trained, less text."
"""Advice where memory ran out."""


@named_causes(TO_SAVE_MEMORY)
def prepare_corpus(
    documents: Documents,
    *,
    out: str | Path,
    settings: PrepareSettings,
    sources: Sequence[TextSource] = (),
    source_notes: Callable[[], Sequence[str]] = tuple,
    check_tags: str | Path | None = None,
    known_accuracy: Mapping[str, TagAccuracy] | None = None,
    on_progress: ProgressCallback = ignore,
    on_note: NoteCallback = logger.warning,
) -> PreparedCorpus:
    """Prepare documents into the new directory `out`, which is whole at the end or absent.

    A preparation that was interrupted, killed even, is gone on with by the next of the same
    documents and settings: what it has finished lies beside `out` in `.NAME.partial`. The corpus is
    the same to a byte.

    Copies are dropped, the held-out split is made by document (of few documents at least one, and
    a single one is cut into passages), and a tokenizer is trained on the training split alone. The
    same documents and settings give the same fingerprint, whatever the number of workers.

    Args:
        documents: yields the same documents, in the same order, each time it is called.
        out: a directory that does not exist, or is empty.
        settings: of the rows, the tokenizer, the tagger and the split.
        sources: the files that the documents come from, for the manifest.
        source_notes: what a user should know of them; called before they are read, and once more
            after the first pass, when there may be more at its end.
        check_tags: a CoNLL-U file with gold tags, on which the tagger's accuracy is measured.
        known_accuracy: what was measured before, by the fingerprint of the tagger.
        on_progress: called at most a few times a second, with documents.
        on_note: called with what a user should know, one sentence at a time; the manifest has it.

    Raises:
        UserError: a split would be empty, `out` is taken, there is no such tokenizer or tagger, or
            the documents changed between two calls; a worker died; or as `connected_ray`.
    """
    place = given_path(out, "out")
    with (
        _workers_elsewhere(settings) as ray,
        continued_directory(place, last=MANIFEST) as aside,
        _one_thread_per_process(),
    ):
        tags = settings.given_tags
        tagger = load_tagger(settings.tagger) if tags is None else GivenTagger(tags)
        words = resolved_rule(settings.words, has_tags=tagger is not None)
        if check_tags is not None:
            accuracy: TagAccuracy | None = tag_accuracy(check_tags, tagger)
        else:
            accuracy = (known_accuracy or {}).get("" if tagger is None else tagger.fingerprint)
        documents, judge = watched(documents, tagger)
        named = None if settings.tokenizer is None else load_tokenizer(settings.tokenizer)
        told = source_notes()
        for note in told:
            on_note(note)
        documents, plan, notes = planned_split(documents, settings, aside.path, on_progress)
        notes += judge()
        key = _key(settings, plan, named, software_of(tagger))
        if begun := what_is_begun(aside, key):
            tokenizer = load_tokenizer(aside.path / TOKENIZER)
        else:
            tokenizer, more_notes = planned_tokenizer(named, documents, plan, settings, on_progress)
            tokenizer.save(aside.path / TOKENIZER)
            begun = note_begun(aside, key, more_notes)
        notes = [*source_notes(), *notes, *begun.notes]
        for note in notes:
            if note not in told:
                on_note(note)
        class_names = () if tagger is None else tuple(tagger.class_names)
        layout = _row_layout(tokenizer, settings.sequence_length)
        writer = CorpusWriter(aside.path, layout, class_names, plan.field_types)
        _go_on(writer, aside, plan, on_note)
        encode = partial(
            encode_documents,
            encoder=tokenizer.encoder(),
            tagger=tagger,
            num_workers=settings.workers or (num_cpus(ray) if ray else available_cores()),
            words=words,
            ray=ray,
        )
        write_documents(documents, plan, encode, writer, aside, on_progress)
        train, held_out, row_hashes = writer.finish()
        if train.num_tokens == 0:
            aside.clear()
            raise UserError(
                "no tokens: the tokenizer makes nothing of this text. Expected words that it "
                "knows. Use another tokenizer, or look at the text."
            )
        for found in filter(None, (writer.note(words), _unknown_note(train, held_out))):
            notes.append(found)
            on_note(found)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            sequence_length=settings.sequence_length,
            vocab_size=tokenizer.vocab_size,
            tokenizer_fingerprint=tokenizer.fingerprint,
            tagger=settings.tagger,
            tagger_fingerprint="" if tagger is None else tagger.fingerprint,
            words=words,
            tag_accuracy=accuracy,
            class_names=class_names,
            train=train,
            held_out=held_out,
            num_duplicates_dropped=plan.num_copies,
            sources=tuple(sources),
            fingerprint="",
            notes=tuple(notes),
            special_ids=tokenizer.named_special_ids,
            settings=settings.recorded(),
            drops=plan.drops,
            tidemask_version=metadata.version("tidemask"),
        )
        manifest.with_fingerprint(*row_hashes).write(aside.path / MANIFEST)
    return open_corpus(place)


def _go_on(
    writer: CorpusWriter, aside: ContinuedDirectory, plan: SplitPlan, on_note: NoteCallback
) -> None:
    """Go on from what an interrupted preparation noted, if there is such a note."""
    if state := noted_state(aside):
        writer.restore(state)
        on_note(
            f"Going on with a preparation that was interrupted: {writer.num_documents:,} of "
            f"{plan.num_written:,} documents are there."
        )


def _unknown_note(*splits: SplitCounts) -> str | None:
    num_unknown = sum(counts.num_unknown or 0 for counts in splits)
    return unknown_note(num_unknown, sum(counts.num_tokens for counts in splits))


def _key(
    settings: PrepareSettings,
    plan: SplitPlan,
    named: CorpusTokenizer | None,
    software: dict[str, str],
) -> str:
    """What names a preparation: the same key, the same corpus."""
    entries = settings.extend_vocabulary
    return preparation_key(
        {
            "software": software,
            "format": FORMAT_VERSION,
            "settings": settings.recorded(),
            "entries": None if entries is None else wanted_entries(entries),
            "documents": plan.digest,
            "tokenizer": "" if named is None else named.fingerprint,
        }
    )


def _row_layout(tokenizer: CorpusTokenizer, sequence_length: int) -> RowLayout:
    return RowLayout(
        sequence_length=sequence_length,
        vocab_size=tokenizer.vocab_size,
        begin_id=tokenizer.begin_id,
        end_id=tokenizer.end_id,
        separator_id=tokenizer.frame.document_end,
        pad_id=tokenizer.pad_id,
        unknown_id=tokenizer.unknown_id,
        special_ids=tuple({*tokenizer.special_ids, *tokenizer.declared_ids}),
    )


def _workers_elsewhere(settings: PrepareSettings) -> AbstractContextManager[Any]:
    """Ray, connected, where it is asked for."""
    address = settings.ray_address
    return nullcontext() if address is None else connected_ray(address, settings.workers)


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
