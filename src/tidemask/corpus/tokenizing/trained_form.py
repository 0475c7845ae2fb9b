"""The form that trained tokenizers have in common: special tokens, frame, and what keeps them.

The special tokens have the ids 0 to 4 in the order of the models that made their names known: BERT
for WordPiece, RoBERTa and XLM-R for byte-level BPE and Unigram.
"""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, processors
from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import PreTokenizer

from tidemask.corpus.tokenizing.pieces import MAX_PIECES, cut, once_for_each, spaced_pieces
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.corpus.words.boundaries import parts_at_words


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """The special tokens of a trained tokenizer.

    Attributes:
        pad, unknown, begin, end, mask: their spellings.
        order: all five, by id from 0.
        middle: how often `end` stands between the texts of a pair.
        has_types: whether the second text of a pair has the token type 1.
        mask_takes_space: whether the mask token takes the space before it, as RoBERTa's does, where
            a word's space is part of its first token.
    """

    pad: str
    unknown: str
    begin: str
    end: str
    mask: str
    order: tuple[str, ...]
    middle: int
    has_types: bool
    mask_takes_space: bool

    def finished(self, backend: Tokenizer) -> CorpusTokenizer:
        """A backend with these tokens in its vocabulary as a tokenizer that `AutoTokenizer` loads.

        The special tokens alone are special in it.
        """
        from transformers import PreTrainedTokenizerFast

        mask = AddedToken(self.mask, lstrip=self.mask_takes_space, normalized=False, special=True)
        others = [token for token in self.order if token != self.mask]
        backend.add_special_tokens([*others, mask] if self.mask_takes_space else [*self.order])
        type_1 = ":1" if self.has_types else ""
        single = f"{self.begin} $A {self.end}"
        second = f"$B{type_1} {self.end}{type_1}"
        backend.post_processor = processors.TemplateProcessing(
            single=single,
            pair=" ".join([single, *[self.end] * (self.middle - 1), second]),
            special_tokens=[(t, backend.token_to_id(t)) for t in (self.begin, self.end)],
        )
        names = {"pad": self.pad, "unk": self.unknown, "cls": self.begin, "sep": self.end}
        if self.mask_takes_space:
            names |= {"bos": self.begin, "eos": self.end}
        tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=backend,
            mask_token=mask if self.mask_takes_space else self.mask,
            **{f"{name}_token": token for name, token in names.items()},
            # without token types, which ModernBERT does not take and BERT does without
            model_input_names=["input_ids", "attention_mask"],
        )
        return CorpusTokenizer(tokenizer)


BERT = SpecialTokens(
    pad="[PAD]",
    unknown="[UNK]",
    begin="[CLS]",
    end="[SEP]",
    mask="[MASK]",
    order=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    middle=1,
    has_types=True,
    mask_takes_space=False,
)
ROBERTA = SpecialTokens(
    pad="<pad>",
    unknown="<unk>",
    begin="<s>",
    end="</s>",
    mask="<mask>",
    order=("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    middle=2,
    has_types=False,
    mask_takes_space=True,
)


_FIRST_SYMBOL = 0x2800
"""Of Braille: symbols that have no case, no other form, and are neither white space nor marks."""

_MAX_CHARACTERS = 1 << 24
"""Of texts whose pieces are counted before they are normalised."""


class LetterCounts:
    """How often each letter occurs in normalised text, and which of them a vocabulary has.

    What stands between two spaces is normalised by itself, and once for as often as it occurs:
    normalisation looks across no space, but to make several of them one.

    Args:
        normalizer: of the tokenizer.
        vocab_size: maximum entries of the vocabulary, of which letters take a quarter at most.
        texts: are counted.
    """

    def __init__(self, normalizer: Normalizer, vocab_size: int, texts: Iterable[str]) -> None:
        self._normalizer = normalizer
        self._vocab_size = vocab_size
        self._counts: Counter[str] = Counter()
        pieces: Counter[str] = Counter()
        num_characters = 0
        for text in texts:
            pieces.update(spaced_pieces(text))
            num_characters += len(text)
            if num_characters > _MAX_CHARACTERS or len(pieces) > MAX_PIECES:
                self._count(pieces)
                pieces.clear()
                num_characters = 0
        self._count(pieces)

    def _count(self, pieces: Mapping[str, int]) -> None:
        for piece, occurrences in pieces.items():
            normalised = self._normalizer.normalize_str(piece)
            if occurrences == 1:
                self._counts.update(normalised)
                continue
            for letter in normalised:
                self._counts[letter] += occurrences

    def alphabet(self) -> list[str]:
        """The most frequent letters, in the order of their code points; white space is none."""
        letters = [letter for letter in self._counts if not letter.isspace()]
        letters.sort(key=lambda letter: (-self._counts[letter], letter))
        return sorted(letters[: self._vocab_size // 4])

    def known_text(
        self, texts: Iterable[str], border: str, words: PreTokenizer | None = None
    ) -> Iterator[str]:
        """The texts normalised, with a space for each letter that is not of the alphabet.

        White space may be other than in the texts.

        Args:
            texts: as they were counted.
            border: what to put where two words meet without a space; see `parts_at_words`.
            words: cuts normalised text into words, between which spaces stand then.
        """
        alphabet = set(self.alphabet())
        unknown = {ord(c): " " for c in self._counts if c not in alphabet and not c.isspace()}

        def known(piece: str) -> str:
            normalised = self._normalizer.normalize_str(piece).translate(unknown)
            return normalised if words is None else cut(normalised, words)

        each_once = once_for_each(known)
        for text in texts:
            yield each_once(spaced_pieces(border.join(parts_at_words(text))))

    def absent(self) -> str:
        """A character that no text has, and that normalisation leaves as it is."""
        symbols = (chr(i) for i in range(_FIRST_SYMBOL, sys.maxunicode))
        return next(c for c in symbols if unicodedata.category(c) == "So" and not self._counts[c])
