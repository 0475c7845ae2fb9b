"""A tokenizer of a few texts, trained as preparation trains it."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.wordpiece import WordPieceTrainer


def train_tokenizer(
    texts: Sequence[str], *, vocab_size: int, lowercase: bool = True
) -> CorpusTokenizer:
    """A WordPiece tokenizer of these texts."""
    trainer = WordPieceTrainer(vocab_size=vocab_size, lowercase=lowercase)
    for text in texts:
        trainer.count_letters(text)
    return trainer.train(texts)
