"""Training of a WordPiece tokenizer, as BERT's, with the same result every time.

The trainer of `tokenizers` numbers the letters inside words in the order of a hash table, which
differs from run to run and decides ties between equally frequent pairs. So the letters are counted
first and given to the trainer in a fixed order.

Lower-cased and without accents it is bert-base-uncased's form, to the byte. Otherwise it differs in
what that form loses: joiners stay within words, a zero-width space separates them, and a run of
more than 100 letters is cut rather than unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import WhitespaceSplit

from tidemask.corpus.tokenizing.normalization import TextNormalization, without_unseen
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.tokenizing.trained_form import BERT, LetterCounts

_CONTINUING = "##"

_LONG_RUN = r"\S{80,100}(?!\p{M})|\S{100}"
"""What a run of letters is cut into, before no mark where that can be. A model of WordPiece takes a
word of more than 100 letters for unknown, and its time grows with the cube of the length."""


class WordPieceTrainer:
    """Trains in two passes over texts: the first counts letters."""

    num_passes = 2

    def __init__(self, *, vocab_size: int, normalization: TextNormalization) -> None:
        """Choose the form of the tokenizer.

        Args:
            vocab_size: maximum entries, special tokens included.
            normalization: of text.
        """
        self._vocab_size = vocab_size
        self._normalizer = _normalizer(normalization)
        self._pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._is_uncased_bert = normalization.is_uncased_bert

    def train(self, texts: Callable[[], Iterable[str]]) -> CorpusTokenizer:
        """The tokenizer of the texts that each call gives; it depends on nothing else.

        The rarest letters become unknown where there are more than a quarter of the vocabulary.
        """
        letters = LetterCounts(self._normalizer, self._vocab_size, texts())
        alphabet = letters.alphabet()
        inner = [_CONTINUING + letter for letter in alphabet if self._joins(letter)]
        # The first letter of a word within a run continues the run: it follows a character that is
        # none of the alphabet, which the trainer passes over.
        border = " " + letters.absent()
        backend = self._untrained(models.WordPiece(unk_token=BERT.unknown))
        trainer = trainers.WordPieceTrainer(
            vocab_size=self._vocab_size,
            special_tokens=[*BERT.order, *alphabet, *inner],
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
            continuing_subword_prefix=_CONTINUING,
            show_progress=False,
        )
        known = letters.known_text(texts(), border, backend.pre_tokenizer)
        backend.normalizer, backend.pre_tokenizer = None, WhitespaceSplit()  # both are done
        backend.train_from_iterator(known, trainer)
        vocabulary = backend.get_vocab(with_added_tokens=True)
        # a new backend, for the trainer's took the letters for special tokens as well
        model = models.WordPiece(
            vocabulary, unk_token=BERT.unknown, continuing_subword_prefix=_CONTINUING
        )
        return BERT.finished(self._untrained(model))

    def _joins(self, letter: str) -> bool:
        """Whether the letter can stand within a word, rather than being one by itself."""
        return len(self._pre_tokenizer.pre_tokenize_str(f"a{letter}a")) == 1

    def _untrained(self, model: models.WordPiece) -> Tokenizer:
        backend = Tokenizer(model)
        backend.normalizer = self._normalizer
        backend.pre_tokenizer = self._pre_tokenizer
        if not self._is_uncased_bert:
            cut = pre_tokenizers.Split(Regex(_LONG_RUN), "isolated")
            backend.pre_tokenizer = pre_tokenizers.Sequence([self._pre_tokenizer, cut])
        backend.decoder = decoders.WordPiece(prefix=_CONTINUING)
        return backend


def _normalizer(normalization: TextNormalization) -> normalizers.Normalizer:
    if normalization.is_uncased_bert:
        return normalizers.BertNormalizer(lowercase=True)
    isolate_ideographs = normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    return normalizers.Sequence(
        [
            without_unseen(),
            normalizers.Replace("\u200b", " "),
            *normalization.of_letters(),
            isolate_ideographs,
        ]
    )
