"""The kinds of tokenizers that can be trained, by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from tidemask.corpus.tokenizing.normalization import TextNormalization
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer

TokenizerKind = Literal["wordpiece", "bpe", "unigram"]

MIN_VOCAB_SIZE = {"wordpiece": 64, "bpe": 261, "unigram": 64}
"""Fewest entries of each kind; byte-level BPE has one for every byte and special token."""


class TokenizerTrainer(Protocol):
    """Trains a tokenizer of a kind.

    Attributes:
        num_passes: how often it reads the texts; all but the last pass count their letters.
    """

    num_passes: int

    def train(self, texts: Callable[[], Iterable[str]]) -> CorpusTokenizer:
        """The tokenizer of the texts that each call gives; it depends on nothing else."""
        ...


def tokenizer_trainer(
    kind: TokenizerKind, *, vocab_size: int, normalization: TextNormalization
) -> TokenizerTrainer:
    """A trainer of a kind.

    Args:
        kind: "wordpiece" (BERT), "bpe" (byte-level, RoBERTa and ModernBERT) or "unigram" (XLM-R).
        vocab_size: maximum entries, special tokens included; `MIN_VOCAB_SIZE` of the kind or more.
        normalization: of text.

    Raises:
        UserError: the library that trains the kind is not installed.

    Example:
        >>> from tidemask.corpus.tokenizing.normalization import TextNormalization
        >>> trainer = tokenizer_trainer(
        ...     "bpe", vocab_size=270, normalization=TextNormalization(lowercase=True)
        ... )
        >>> tokenizer = trainer.train(lambda: ["The tide turns, the tide falls."])
        >>> tokenizer.vocab_size, tokenizer.tokenizer.tokenize("THE TIDE")
        (270, ['t', 'he', 'Ġtide'])
    """
    if kind == "wordpiece":
        from tidemask.corpus.tokenizing.wordpiece import WordPieceTrainer

        return WordPieceTrainer(vocab_size=vocab_size, normalization=normalization)
    if kind == "bpe":
        from tidemask.corpus.tokenizing.byte_level_bpe import BPETrainer

        return BPETrainer(vocab_size=vocab_size, normalization=normalization)
    from tidemask.corpus.tokenizing.unigram import UnigramTrainer

    return UnigramTrainer(vocab_size=vocab_size, normalization=normalization)
