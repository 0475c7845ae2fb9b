"""A stream of documents to encoded ones, in this process, in several, or on the machines of Ray.

Workers encode chunks of texts, a few at a time, and the documents are given back in order: memory
does not grow with the corpus, and the result does not depend on the workers or where they are.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain, islice
from typing import Any

from tidemask.children import results_in_order
from tidemask.corpus.encoding_workers import (
    Chunk,
    EncodingTools,
    process_workers,
    ray_workers,
    separated,
)
from tidemask.corpus.long_documents import CutDocuments
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.store.rows import EncodedDocument
from tidemask.corpus.tagging.given_tags import GivenTagger
from tidemask.corpus.tagging.words import Tagger
from tidemask.corpus.text_encoding import encode_texts
from tidemask.corpus.tokenizing.tokenizer import PlainTextEncoder
from tidemask.corpus.words.boundaries import WordRule

CHUNK_CHARACTERS = 1 << 17
"""Characters of text that a worker takes at a time, about 23,000 English words."""


def encode_documents(
    documents: Iterable[Document],
    encoder: PlainTextEncoder,
    tagger: Tagger | GivenTagger | None,
    *,
    num_workers: int,
    words: WordRule = "auto",
    ray: Any = None,
) -> Generator[EncodedDocument, None, None]:
    """One encoded document for each, in order; closing the generator ends the workers.

    Long documents are encoded in parts (`long_documents.py`), by several workers where there are.

    Args:
        documents: streamed; read a few chunks ahead of the encoded ones given back.
        encoder: the tokenizer's, see `CorpusTokenizer.encoder`.
        tagger: `None` for no classes. Each worker loads one of the same name.
        num_workers: processes, or tasks of Ray at once; 1 process encodes in this one. None is
            started for a single chunk.
        words: where words come from.
        ray: the module, connected, whose tasks are the workers; `None` for processes.

    Raises:
        UserError: a worker died.
    """
    cut = CutDocuments()
    encoded = _encode_stream(cut.parts(documents), encoder, tagger, num_workers, words, ray)
    with closing(encoded):
        yield from cut.joined(encoded)


def _encode_stream(
    documents: Iterable[Document],
    encoder: PlainTextEncoder,
    tagger: Tagger | GivenTagger | None,
    num_workers: int,
    words: WordRule,
    ray: Any,
) -> Generator[EncodedDocument, None, None]:
    chunks = _chunks(documents, tagger)
    if isinstance(tagger, GivenTagger):
        tagger = None
    first = list(islice(chunks, 2))
    chunks = chain(first, chunks)
    if (num_workers == 1 and ray is None) or len(first) < 2:
        for texts, given in chunks:
            yield from encode_texts(texts, encoder, tagger, words, given)
        return
    tools = EncodingTools.of(encoder, tagger, words)
    workers = process_workers(num_workers, tools) if ray is None else ray_workers(ray, tools)
    with workers as submit:
        for _, joined in results_in_order(chunks, submit, num_workers):
            yield from separated(*joined)


def _chunks(documents: Iterable[Document], tagger: Tagger | GivenTagger | None) -> Iterator[Chunk]:
    """The texts in lists of about `CHUNK_CHARACTERS`."""
    chunk: list[Document] = []
    num_characters = 0
    for document in chain(documents, [None]):
        if chunk and (document is None or num_characters >= CHUNK_CHARACTERS):
            texts = [each.text for each in chunk]
            given = None
            if isinstance(tagger, GivenTagger):
                given = [tagger.tagged(each.words, each.source) for each in chunk]
            yield texts, given
            chunk, num_characters = [], 0
        if document is not None:
            chunk.append(document)
            num_characters += len(document.text)
