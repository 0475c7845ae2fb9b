"""Texts to encoded documents: tokenised, tagged and aligned, in this process or in several.

Worker processes encode chunks of texts, a few at a time, and the documents are given back in order:
memory does not grow with the corpus, and the result does not depend on the number of workers.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice, pairwise

import numpy as np

from tidemask.children import serve_parent
from tidemask.corpus.store.packing import EncodedDocument
from tidemask.corpus.tagging.taggers import load_tagger
from tidemask.corpus.tagging.words import Tagger, align_classes
from tidemask.corpus.tokenizing.tokenizer import PlainTextEncoder
from tidemask.errors import UserError
from tidemask.token_classes import NO_CLASS

CHUNK_CHARACTERS = 1 << 17
"""Characters of text that a worker takes at a time, about 23,000 English words."""

_CHUNKS_PER_WORKER = 2
"""Chunks submitted for each worker: one being encoded, one waiting."""


def encode_texts(
    texts: Sequence[str], encoder: PlainTextEncoder, tagger: Tagger | None
) -> list[EncodedDocument]:
    """One document for each text; no token has a class where there is no tagger."""
    encoded = encoder.encode(texts)
    if tagger is None:
        classes = [np.full(len(e.ids), NO_CLASS, np.uint8) for e in encoded]
    else:
        classes = [
            align_classes(tagged, e.starts, e.ends, e.word_starts)
            for e, tagged in zip(encoded, tagger.tag(texts), strict=True)
        ]
    return [
        EncodedDocument(e.ids, e.word_starts, of_document)
        for e, of_document in zip(encoded, classes, strict=True)
    ]


def encode_documents(
    texts: Iterable[str], encoder: PlainTextEncoder, tagger: Tagger | None, *, num_workers: int
) -> Generator[EncodedDocument, None, None]:
    """One document for each text, in order; closing the generator ends the workers.

    Args:
        texts: streamed; read a few chunks ahead of the documents given back.
        encoder: the tokenizer's, see `CorpusTokenizer.encoder`.
        tagger: `None` for no classes. Each worker loads one of the same name.
        num_workers: processes; 1 encodes in this one. No process is started for a single chunk.

    Raises:
        UserError: a worker process died.
    """
    chunks = _chunks(texts)
    first = list(islice(chunks, 2))
    if num_workers == 1 or len(first) < 2:
        for chunk in chain(first, chunks):
            yield from encode_texts(chunk, encoder, tagger)
        return
    tagger_name = "none" if tagger is None else tagger.name
    with _worker_pool(num_workers, encoder, tagger_name) as pool:
        try:
            yield from _encoded_in_order(pool, chain(first, chunks), num_workers)
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process died while encoding the text. Expected all to finish. Perhaps "
                "memory ran out, or a script starts the preparation without "
                "`if __name__ == '__main__':`. Use fewer workers; workers=1 starts none."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _encoded_in_order(
    pool: ProcessPoolExecutor, chunks: Iterable[list[str]], num_workers: int
) -> Iterator[EncodedDocument]:
    submitted: deque[Future[_JoinedDocuments]] = deque()
    for chunk in chunks:
        submitted.append(pool.submit(_encode_in_worker, chunk))
        if len(submitted) > _CHUNKS_PER_WORKER * num_workers:
            yield from _separated(*submitted.popleft().result())
    while submitted:
        yield from _separated(*submitted.popleft().result())


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in lists of about `CHUNK_CHARACTERS`."""
    chunk: list[str] = []
    num_characters = 0
    for text in texts:
        chunk.append(text)
        num_characters += len(text)
        if num_characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, num_characters = [], 0
    if chunk:
        yield chunk


def _worker_pool(
    num_workers: int, encoder: PlainTextEncoder, tagger_name: str
) -> ProcessPoolExecutor:
    """Workers that are not forked from this process, which may have threads already."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(
        num_workers, context, initializer=_start_worker, initargs=(encoder, tagger_name)
    )


_JoinedDocuments = tuple[EncodedDocument, list[int]]
"""Documents joined into one, and where each ends: pickling three arrays is ten times faster than
three for each document."""

_encoder_and_tagger: tuple[PlainTextEncoder, Tagger | None]
"""Those of a worker process, set by `_start_worker`."""


def _start_worker(encoder: PlainTextEncoder, tagger_name: str) -> None:
    global _encoder_and_tagger
    serve_parent()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one core per worker
    _encoder_and_tagger = encoder, load_tagger(tagger_name)


def _encode_in_worker(texts: list[str]) -> _JoinedDocuments:
    documents = encode_texts(texts, *_encoder_and_tagger)
    joined = EncodedDocument(
        np.concatenate([document.ids for document in documents]),
        np.concatenate([document.word_starts for document in documents]),
        np.concatenate([document.classes for document in documents]),
    )
    return joined, np.cumsum([len(document.ids) for document in documents]).tolist()


def _separated(joined: EncodedDocument, ends: list[int]) -> Iterator[EncodedDocument]:
    for begin, end in pairwise([0, *ends]):
        part = slice(begin, end)
        yield EncodedDocument(joined.ids[part], joined.word_starts[part], joined.classes[part])
