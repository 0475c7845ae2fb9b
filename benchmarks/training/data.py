"""What the training benchmark trains on, and how much arithmetic a step of it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.text import synthetic_language, words_of
from tidemask.corpus.preparation import prepare_corpus
from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.sources.documents import Document
from tidemask.modeling.settings import MODEL_SIZES

_WORDS_PER_DOCUMENT = 400


def write_corpus(directory: Path, *, num_sequences: int, length: int) -> int:
    """Prepare a corpus of generated text; returns the entries of its vocabulary, about 30,000.

    Args:
        directory: to be made; the corpus lies in it under `corpus`.
        num_sequences: at least so many rows.
        length: tokens of a row.
    """
    language = synthetic_language()
    language.tokenizer.save_pretrained(directory / "tokenizer")
    num_documents = 2 + num_sequences * length // _WORDS_PER_DOCUMENT

    def documents() -> Iterator[Document]:
        rng = np.random.default_rng(3)
        for number in range(num_documents):
            yield Document(words_of(language, _WORDS_PER_DOCUMENT, rng), f"document {number}")

    settings = PrepareSettings(
        tagger="textblob:unchecked",  # the words are made of syllables
        tokenizer=str(directory / "tokenizer"),
        sequence_length=length,
        held_out=0.0,
        workers=1,
    )
    corpus = prepare_corpus(documents, out=directory / "corpus", settings=settings)
    return corpus.manifest.vocab_size


def step_flops(model: str, *, vocab_size: int, batch_size: int, length: int, ratio: float) -> float:
    """Floating-point operations that one step of a BERT needs, forward and backward.

    Two per multiplication and addition, thrice for forward and backward. Counted are the matrix
    products: `4 H^2 + 2 H F` weights of each layer at every position, two products of `L H` in the
    attention, and the head, `H^2 + H V`, at the share `ratio` of the positions alone. What a
    candidate computes beyond that, such as the head elsewhere, does not count as use. ModernBERT's
    gated layer has three products of `H F` in place of two; that its attention is local in two of
    three layers makes no difference at the lengths here.
    """
    shape = MODEL_SIZES[model]
    hidden = shape.hidden
    products = 3 if shape.architecture == "modernbert" else 2
    layer = 4 * hidden**2 + products * hidden * shape.feed_forward + 2 * length * hidden
    head = ratio * (hidden**2 + hidden * vocab_size)
    return 6.0 * batch_size * length * (shape.layers * layer + head)
