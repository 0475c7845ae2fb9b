"""Training of a Unigram tokenizer, as XLM-R's, with the same result every time.

SentencePiece trains it (Kudo 2018, arXiv 1804.10959), in one thread: the sums of the trainer of
`tokenizers` are taken in the order of a hash table, and those of SentencePiece depend on the number
of threads. What is saved is a tokenizer of `tokenizers`, which needs no SentencePiece.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from tidemask.corpus.tokenizing.normalization import (
    TextNormalization,
    plain_spaces,
    without_unseen,
)
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.trained_form import ROBERTA, LetterCounts
from tidemask.errors import UserError

_UNKNOWN_SCORE = 0.0
_LONGEST_WORD = 1000
"""Characters of a run without white space that is counted as one word; longer ones are cut."""
_MAX_COUNT = (1 << 62) - 1
_SILENT = 2


class UnigramTrainer:
    """Trains in two passes over texts: the first counts letters.

    Raises:
        UserError: SentencePiece is not installed.
    """

    num_passes = 2

    def __init__(self, *, vocab_size: int, normalization: TextNormalization) -> None:
        """Choose the form of the tokenizer.

        Args:
            vocab_size: maximum entries, special tokens included.
            normalization: of text.
        """
        self._sentencepiece = _imported()
        self._vocab_size = vocab_size
        self._normalizer = normalizers.Sequence(
            [without_unseen(), *normalization.of_letters(), *plain_spaces()]
        )

    def train(self, texts: Callable[[], Iterable[str]]) -> CorpusTokenizer:
        """The tokenizer of the texts that each call gives; it depends on nothing else.

        The rarest letters become unknown where there are more than a quarter of the vocabulary.
        """
        letters = LetterCounts(self._normalizer, self._vocab_size, texts())
        words: Counter[str] = Counter()
        border = letters.absent()
        for text in letters.known_text(texts(), border):
            words.update(_short(text.split()))
        pieces = self._pieces(words, border) if words else {}
        scores = dict.fromkeys(ROBERTA.order, _UNKNOWN_SCORE) | pieces
        backend = Tokenizer(
            models.Unigram([*scores.items()], unk_id=ROBERTA.order.index(ROBERTA.unknown))
        )
        backend.normalizer = self._normalizer
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        backend.decoder = decoders.Metaspace()
        return ROBERTA.finished(backend)

    def _pieces(self, words: Mapping[str, int], border: str) -> dict[str, float]:
        """The pieces with their log-probabilities, the likeliest first; none is across a border."""
        written = io.BytesIO()
        self._sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(words),
            input_format="tsv",  # a word and how often it occurs
            model_writer=written,
            model_type="unigram",
            vocab_size=self._vocab_size - len(ROBERTA.order) + 1,  # one of its own is unknown
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",
            pretokenization_delimiter=border,
            max_sentence_length=8 * _LONGEST_WORD,
            num_threads=1,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            minloglevel=_SILENT,
        )
        model = self._sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
        return {
            model.id_to_piece(number): model.get_score(number)
            for number in range(1, model.get_piece_size())
        }


def _short(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        for begin in range(0, len(word), _LONGEST_WORD):
            yield word[begin : begin + _LONGEST_WORD]


def _lines(words: Mapping[str, int]) -> Iterator[str]:
    for word in sorted(words):
        yield f"{word}\t{min(words[word], _MAX_COUNT)}"


def _imported() -> Any:  # it has no types
    try:
        import sentencepiece
    except ImportError as error:
        raise UserError(
            "SentencePiece is not installed: tokenizer_kind=unigram is trained with it. Install it "
            "with pip install 'tidemask[unigram]', or train another kind."
        ) from error
    return sentencepiece
