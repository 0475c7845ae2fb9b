"""Training of a WordPiece tokenizer, as BERT's, with the same result every time.

The trainer of `tokenizers` numbers the letters inside words in the order of a hash table, which
differs from run to run and decides ties between equally frequent pairs. So the letters are counted
first and given to the trainer in a fixed order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer

PAD, UNKNOWN, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS: tuple[str, ...] = (PAD, UNKNOWN, CLS, SEP, MASK)
"""Special tokens of a trained tokenizer; their ids are 0 to 4, in this order."""

_CONTINUING = "##"


class WordPieceTrainer:
    """Trains in two passes over the same texts: `count_letters` on each, then `train`."""

    def __init__(self, *, vocab_size: int, lowercase: bool) -> None:
        """Choose the form of the tokenizer.

        Args:
            vocab_size: maximum entries, special tokens included.
            lowercase: whether case and accents are dropped, as in bert-base-uncased.
        """
        self._vocab_size = vocab_size
        self._normalizer = normalizers.BertNormalizer(lowercase=lowercase)
        self._pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._letters: Counter[str] = Counter()

    def count_letters(self, text: str) -> None:
        """Count the letters of one text."""
        self._letters.update(self._normalizer.normalize_str(text))

    def train(self, texts: Iterable[str]) -> CorpusTokenizer:
        """The tokenizer of these texts; it depends on nothing else.

        The rarest letters become unknown where there are more than a quarter of the vocabulary.
        """
        alphabet = self._alphabet()
        inner = [_CONTINUING + letter for letter in alphabet if self._joins(letter)]
        backend = self._untrained(models.WordPiece(unk_token=UNKNOWN))
        trainer = trainers.WordPieceTrainer(
            vocab_size=self._vocab_size,
            special_tokens=[*SPECIAL_TOKENS, *alphabet, *inner],
            continuing_subword_prefix=_CONTINUING,
            show_progress=False,
        )
        backend.train_from_iterator(self._known_letters(texts, set(alphabet)), trainer)
        return self._finished(backend.get_vocab(with_added_tokens=True))

    def _alphabet(self) -> list[str]:
        letters = [letter for letter in self._letters if not letter.isspace()]
        letters.sort(key=lambda letter: (-self._letters[letter], letter))
        return sorted(letters[: self._vocab_size // 4])

    def _joins(self, letter: str) -> bool:
        """Whether the letter can stand within a word, rather than being one by itself."""
        return len(self._pre_tokenizer.pre_tokenize_str(f"a{letter}a")) == 1

    def _known_letters(self, texts: Iterable[str], alphabet: set[str]) -> Iterator[str]:
        unknown = {ord(c): " " for c in self._letters if c not in alphabet and not c.isspace()}
        for text in texts:
            normalised = self._normalizer.normalize_str(text)
            yield normalised.translate(unknown) if unknown else normalised

    def _untrained(self, model: models.WordPiece) -> Tokenizer:
        backend = Tokenizer(model)
        backend.normalizer = self._normalizer
        backend.pre_tokenizer = self._pre_tokenizer
        backend.decoder = decoders.WordPiece(prefix=_CONTINUING)
        return backend

    def _finished(self, vocabulary: dict[str, int]) -> CorpusTokenizer:
        """A tokenizer in which the special tokens alone are special, not the letters as well."""
        from transformers import PreTrainedTokenizerFast

        model = models.WordPiece(
            vocabulary, unk_token=UNKNOWN, continuing_subword_prefix=_CONTINUING
        )
        backend = self._untrained(model)
        backend.add_special_tokens(list(SPECIAL_TOKENS))
        backend.post_processor = processors.TemplateProcessing(
            single=f"{CLS} $A {SEP}",
            pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
            special_tokens=[(token, vocabulary[token]) for token in (CLS, SEP)],
        )
        tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=backend,
            pad_token=PAD,
            unk_token=UNKNOWN,
            cls_token=CLS,
            sep_token=SEP,
            mask_token=MASK,
            # without token types, which ModernBERT does not take and BERT does without
            model_input_names=["input_ids", "attention_mask"],
        )
        return CorpusTokenizer(tokenizer)
