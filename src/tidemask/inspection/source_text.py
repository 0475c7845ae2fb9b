"""The texts of documents, read again from the files that they came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing

from tidemask.corpus.again import recorded_settings
from tidemask.corpus.given_text import for_held_out
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.sources.mixture import LIST_FORMAT
from tidemask.corpus.sources.recorded import recorded_sources
from tidemask.corpus.splitting.few_documents import passages
from tidemask.corpus.store.corpus import TRAIN, PreparedCorpus
from tidemask.corpus.store.documents import DocumentRecord
from tidemask.errors import UserError


def source_texts(
    corpus: PreparedCorpus, documents: Sequence[DocumentRecord]
) -> tuple[dict[int, str], list[str]]:
    """The texts of documents, as their files have them, by the number of the document.

    A source is read once, from its beginning to the last of its documents.

    Args:
        corpus: that of the documents.
        documents: some of it.

    Returns:
        The texts, and why others have none, one sentence for each source: the corpus is of an
        earlier version, the text came from a program or standard input, its file is gone or has
        changed, or it has no document at that place.
    """
    of_source: defaultdict[str, list[DocumentRecord]] = defaultdict(list)
    for document in documents:
        of_source[document.source].append(document)
    texts: dict[int, str] = {}
    notes: dict[str, None] = {}
    for source, wanted in of_source.items():
        try:
            texts.update(_texts_of_source(corpus, source, wanted))
        except UserError as error:
            notes[str(error)] = None
    return texts, [*notes]


def _texts_of_source(
    corpus: PreparedCorpus, source: str, wanted: Sequence[DocumentRecord]
) -> Iterator[tuple[int, str]]:
    settings = recorded_settings(corpus.manifest, corpus.root, workers=1)
    every = corpus.manifest.sources
    named = [one for one in every if one.path == source]
    if not named:
        raise UserError(
            f"no source: the manifest of {corpus.root} does not name {source}. Expected it among "
            "its sources. Restore the manifest."
        )
    if is_held_out := named[0].held_out:
        settings = for_held_out(settings)
    beside = [one for one in every if one.held_out == is_held_out]
    if any(one.format == LIST_FORMAT for one in beside):
        named = beside  # only all sources of a list together are known to be the same
    missing = list({document.number: document for document in wanted}.values())
    with closing(recorded_sources(named, {}, settings, must_have_fields=False)) as sources:
        for one in sources():
            if one.source == source:
                for document in [each for each in missing if each.place == one.place]:
                    missing.remove(document)
                    yield document.number, _own_part(corpus, document, one)
            if not missing:
                return
    raise UserError(
        f"no text: {source} has no document at place {missing[0].place}. Expected that of "
        f"document {missing[0].number}. Restore the file."
    )


def _own_part(corpus: PreparedCorpus, document: DocumentRecord, whole: Document) -> str:
    """The document's passage of a text that was cut into several; all of one that was not."""
    before = _splits_of_text(corpus, document, -1)
    after = _splits_of_text(corpus, document, 1)
    total = _num_passages([*before, document.split, *after], whole.passes)
    if total == 1:
        return whole.text
    found = passages(whole.text)
    if len(found) != total:
        raise UserError(
            f"no text: {document.source} has {len(found)} passages, and the corpus {total} of "
            "them. Expected as many, but copies among them were left out."
        )
    return found[_num_passages(before, whole.passes)]


def _splits_of_text(corpus: PreparedCorpus, document: DocumentRecord, step: int) -> list[str]:
    """The splits of the documents before (-1) or after (1) a document that are of its text."""
    documents, number = corpus.documents, document.number + step
    size = len(documents)
    splits = []
    while 0 <= number < size:
        other = documents[number]
        if (other.source, other.place) != (document.source, document.place):
            break
        splits.append(other.split)
        number += step
    return splits


def _num_passages(splits: Sequence[str], passes: int) -> int:
    """How many different ones documents in these splits are; those to train on are repeated."""
    num_training = splits.count(TRAIN)
    return len(splits) - num_training + num_training // passes
