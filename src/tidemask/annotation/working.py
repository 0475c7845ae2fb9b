"""The values of blocks of documents, worked out in this process or in several, in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.corpus_documents import DocumentBlock
from tidemask.annotation.source import ColumnSource, DocumentTokens, ListSource
from tidemask.annotation.texts import TextOfDocument, with_texts
from tidemask.children import WHY_WORKERS_DIE, results_in_order, serve_parent, worker_pool
from tidemask.corpus.tokenizing.tokenizer import PlainTextEncoder
from tidemask.errors import UserError

Work = tuple[DocumentBlock, list[TextOfDocument]]
"""A block, and the texts of its documents; none for a source that does not read them."""

_Values = tuple[Sequence[NDArray[Any]], NDArray[np.int64]]
"""Of each document, and the numbers of the entries of a list that were found in them."""


def values_of_blocks(
    work: Iterable[Work], source: ColumnSource, encoder: PlainTextEncoder, num_workers: int
) -> Iterator[tuple[DocumentBlock, _Values]]:
    """Each block with what a source says of its documents; the same for any number of workers.

    Args:
        work: the blocks.
        source: of the values.
        encoder: of the corpus, for the places of tokens in texts.
        num_workers: processes; 1 starts none.

    Raises:
        UserError: as the source; or a worker process died.
    """
    if num_workers == 1:
        for block, texts in work:
            yield block, _values(source, encoder, block.documents, texts)
        return
    with worker_pool(num_workers, _start_worker, source, encoder) as pool:
        try:
            done = results_in_order(work, partial(_submit, pool), num_workers)
            yield from ((block, values) for (block, _), values in done)
        except (BrokenProcessPool, BrokenPipeError) as error:  # the latter while it is started
            raise UserError(
                "a worker process died while annotating the corpus. Expected all to finish. "
                f"{WHY_WORKERS_DIE}"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, work: Work) -> Callable[[], _Values]:
    block, texts = work
    return pool.submit(_values_in_worker, block.documents, texts).result


def _values(
    source: ColumnSource,
    encoder: PlainTextEncoder,
    documents: Sequence[DocumentTokens],
    texts: Sequence[TextOfDocument],
) -> _Values:
    if isinstance(source, ListSource):
        return source.values_and_found(documents)
    given = with_texts(documents, texts, encoder) if source.reads_texts else documents
    return source.values(given), np.empty(0, np.int64)


_annotate_with: tuple[ColumnSource, PlainTextEncoder]
"""Those of a worker process, set by `_start_worker`."""


def _start_worker(source: ColumnSource, encoder: PlainTextEncoder) -> None:
    global _annotate_with
    serve_parent()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one core per worker
    _annotate_with = source, encoder


def _values_in_worker(
    documents: Sequence[DocumentTokens], texts: Sequence[TextOfDocument]
) -> _Values:
    return _values(*_annotate_with, documents, texts)
