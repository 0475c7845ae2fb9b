"""A tokenizer of a few texts, trained as preparation trains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidemask.corpus.settings import PrepareSettings
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.training import tokenizer_trainer


def train_tokenizer(
    texts: Sequence[str], *, vocab_size: int, lowercase: bool = True, **settings: Any
) -> CorpusTokenizer:
    """A tokenizer of these texts, a WordPiece one if nothing else is said."""
    chosen = PrepareSettings(vocab_size=vocab_size, lowercase=lowercase, **settings)
    trainer = tokenizer_trainer(
        chosen.tokenizer_kind, vocab_size=vocab_size, normalization=chosen.text_normalization
    )
    return trainer.train(lambda: texts)
