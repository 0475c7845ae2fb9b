"""The words of documents as numbers: where they are, and a key that words of the same tokens share.

A key is a hash of 64 bits of the word's token ids, so a word needs no text and no table. The chance
that any two of 2**22 different words share a key is one in two million.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.corpus_documents import document_blocks
from tidemask.annotation.row_seams import RowSeams
from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.corpus.tokenizing.loading import load_tokenizer

WordKeys = NDArray[np.uint64]
"""Keys of words, or of several words in a row."""


@dataclass(frozen=True)
class DocumentWords:
    """The words of some documents, one document after another.

    Attributes:
        keys: of the words [W].
        sizes: tokens of each word [W].
        starts: the first token of each word, counted over all documents [W].
        document: index of each word's document among them [W].
        document_tokens: tokens of each document.
    """

    keys: WordKeys
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    document: NDArray[np.int64]
    document_tokens: NDArray[np.int64]

    @classmethod
    def of(cls, documents: Sequence[DocumentTokens]) -> DocumentWords:
        """The words of documents; each begins with one."""
        document_tokens = np.array([len(document) for document in documents], np.int64)
        ids = np.concatenate([document.ids for document in documents])
        is_start = np.concatenate([document.word_starts for document in documents])
        ends = np.cumsum(document_tokens)
        is_start[(ends - document_tokens)[document_tokens > 0]] = True
        starts = np.flatnonzero(is_start)
        sizes = np.diff(starts, append=len(ids))
        within = np.arange(len(ids)) - np.repeat(starts, sizes)
        mixed = mixed_bits(ids.astype(np.uint64) << np.uint64(32) | within.astype(np.uint64))
        keys = mixed_bits(np.add.reduceat(mixed, starts)) if len(starts) else mixed
        document = np.searchsorted(ends, starts, side="right")
        return cls(keys, sizes, starts, document, document_tokens)

    def of_tokens(self, of_words: NDArray[Any]) -> list[NDArray[Any]]:
        """What words have, [W], as what the tokens of each document have."""
        return np.split(np.repeat(of_words, self.sizes), np.cumsum(self.document_tokens)[:-1])


def mixed_bits(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection of 64-bit integers in which each bit of the result depends on each bit.

    The finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014; constants of Stafford's variant 13), after an odd step.
    """
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def training_documents(request: SourceRequest, stage: str) -> Iterator[list[DocumentTokens]]:
    """The documents of the training split in blocks, for a pass over them before values are given.

    Args:
        request: of the source.
        stage: its name for the progress callback, which counts rows.
    """
    corpus = request.corpus
    seams = RowSeams(load_tokenizer(corpus.tokenizer_directory).encoder())
    num_rows = len(corpus.train)
    request.on_progress(stage, 0, num_rows)
    for block in document_blocks(corpus.train, seams):
        yield block.documents
        request.on_progress(stage, block.last_row + 1, num_rows)
