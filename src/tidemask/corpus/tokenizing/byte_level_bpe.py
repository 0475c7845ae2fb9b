"""Training of a byte-level BPE tokenizer, as RoBERTa's, with the same result every time.

Its letters are the 256 bytes, so no text is unknown to it, and its text can be had again from its
ids, but for the Unicode form. It differs from GPT-2's in where words are cut: combining marks and
joiners belong to the letter before them, so that a word of Hindi or a decomposed `é` is not cut,
and a zero-width space belongs to the word after it, as a space does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import WhitespaceSplit

from tidemask.corpus.tokenizing.normalization import TextNormalization
from tidemask.corpus.tokenizing.pieces import cut, once_for_each, pieces_with_space
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.trained_form import ROBERTA
from tidemask.corpus.words.boundaries import parts_at_words

_WORDS = "|".join(
    (
        r"'(?:[sdmt]|ll|ve|re)(?!\p{L})",
        r"[ \x{200b}]?\p{L}[\p{L}\p{M}\x{200c}\x{200d}]*",
        r"[ \x{200b}]?\p{N}[\p{N}\p{M}]*",
        r"[ \x{200b}]?[^\s\x{200b}\p{L}\p{N}]+",
        r"[\s\x{200b}]+(?![^\s\x{200b}])",
        r"[\s\x{200b}]+",
    )
)
"""GPT-2's pattern (Radford et al. 2019), with marks, joiners and the zero-width space."""


class BPETrainer:
    """Trains in one pass over texts."""

    num_passes = 1

    def __init__(self, *, vocab_size: int, normalization: TextNormalization) -> None:
        """Choose the form of the tokenizer.

        Args:
            vocab_size: maximum entries, special tokens included; at least 261, which bytes and
                special tokens take.
            normalization: of text.
        """
        self._vocab_size = vocab_size
        self._normalization = normalization

    def train(self, texts: Callable[[], Iterable[str]]) -> CorpusTokenizer:
        """The tokenizer of the texts that each call gives; it depends on nothing else."""
        backend = Tokenizer(models.BPE())
        if steps := self._normalization.of_letters():
            backend.normalizer = steps[0] if len(steps) == 1 else normalizers.Sequence(steps)
        words = pre_tokenizers.Split(Regex(_WORDS), "isolated")
        as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([words, as_bytes])
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self._vocab_size,
            special_tokens=[*ROBERTA.order],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        normalizer, pre_tokenizer = backend.normalizer, backend.pre_tokenizer

        def words_of(piece: str) -> str:
            normalised = piece if normalizer is None else normalizer.normalize_str(piece)
            return cut(normalised, pre_tokenizer)

        each_once = once_for_each(words_of)
        parts = chain.from_iterable(map(parts_at_words, texts()))
        backend.normalizer, backend.pre_tokenizer = None, WhitespaceSplit()  # both are done
        backend.train_from_iterator((each_once(pieces_with_space(p)) for p in parts), trainer)
        backend.normalizer, backend.pre_tokenizer = normalizer, pre_tokenizer
        return ROBERTA.finished(backend)
