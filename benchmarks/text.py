"""Generated text under a real fast tokenizer, for all benchmarks of speed.

Nothing is downloaded and no text is copied. Words are made of syllables, drawn by Zipf's law within
word classes of about the shares that the Universal Dependencies treebanks of English have; rarer
words are a stem and one to three endings, so that a word has about 1.3 subwords.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tidemask import Vocabulary
from tidemask.token_classes import UPOS

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_SEED = 20240229
_ENDINGS = 3000
_INFLECTED = 0.4
"""Share of the open-class words that are a stem with endings."""

_CLASSES: dict[str, tuple[float, int | str]] = {
    "NOUN": (0.170, 9500),
    "PUNCT": (0.120, ". , . , . , ; : ! ? ( )"),
    "VERB": (0.110, 5200),
    "PRON": (0.090, 45),
    "ADP": (0.090, 45),
    "DET": (0.080, 20),
    "PROPN": (0.065, 6000),
    "ADJ": (0.065, 4000),
    "AUX": (0.060, 25),
    "ADV": (0.050, 1500),
    "CCONJ": (0.030, 8),
    "PART": (0.025, 5),
    "NUM": (0.020, " ".join(str(number) for number in range(2100))),
    "SCONJ": (0.015, 20),
    "INTJ": (0.004, 60),
    "X": (0.003, 300),
    "SYM": (0.003, "% $ + = & #"),
}
"""Share of each class among the words, and its entries: how many to make, or themselves."""

_CLOSED = ("PUNCT", "PRON", "ADP", "DET", "AUX", "CCONJ", "PART", "NUM", "SCONJ", "SYM")


@dataclass(frozen=True)
class SyntheticLanguage:
    """A vocabulary of about 30,000 entries and what is needed to speak with it."""

    tokenizer: PreTrainedTokenizerFast
    entries: dict[str, list[str]]
    endings: list[str]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary as tidemask sees it."""
        return Vocabulary.of_tokenizer(self.tokenizer)


def _words_of_syllables(rng: np.random.Generator, count: int, taken: set[str]) -> list[str]:
    """New words of two to four syllables."""
    words: list[str] = []
    letters = "bcdfghjklmnprstvz", "aeiou"
    while len(words) < count:
        syllables = rng.integers(2, 4, endpoint=True)
        word = "".join(
            among[rng.integers(len(among))] for _ in range(syllables) for among in letters
        )
        if word not in taken:
            taken.add(word)
            words.append(word)
    return words


@cache
def synthetic_language() -> SyntheticLanguage:
    """The language of the benchmark; always the same."""
    rng = np.random.default_rng(_SEED)
    taken: set[str] = set()
    entries = {
        name: given.split() if isinstance(given, str) else _words_of_syllables(rng, given, taken)
        for name, (_, given) in _CLASSES.items()
    }
    endings = _words_of_syllables(rng, _ENDINGS, taken)
    whole = dict.fromkeys(word for words in entries.values() for word in words)
    letters = dict.fromkeys(_LETTERS + _DIGITS)
    pieces = [
        *SPECIAL_TOKENS,
        *dict.fromkeys([*letters, *whole]),
        *dict.fromkeys("##" + piece for piece in [*letters, *endings]),
    ]
    backend = Tokenizer(
        models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, pieces.index(name)) for name in ("[CLS]", "[SEP]")],
    )
    pad, unknown, cls, sep, mask = SPECIAL_TOKENS
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=pad,
        unk_token=unknown,
        cls_token=cls,
        sep_token=sep,
        mask_token=mask,
        model_input_names=["input_ids", "attention_mask"],
    )
    return SyntheticLanguage(tokenizer, entries, endings)


def words_and_classes(
    language: SyntheticLanguage, count: int, rng: np.random.Generator
) -> tuple[list[str], NDArray[np.uint8]]:
    """Words one after another, and the class of each."""
    names = list(_CLASSES)
    shares = np.array([share for share, _ in _CLASSES.values()])
    kinds = rng.choice(len(names), size=count, p=shares / shares.sum())
    words = np.empty(count, dtype=object)
    for kind, name in enumerate(names):
        here = np.flatnonzero(kinds == kind)
        weights = 1.0 / (np.arange(len(language.entries[name])) + 2.7)
        drawn = rng.choice(len(weights), size=len(here), p=weights / weights.sum())
        words[here] = np.array(language.entries[name], dtype=object)[drawn]
        if name not in _CLOSED:
            inflected = here[rng.random(len(here)) < _INFLECTED]
            for place, number in zip(
                inflected, np.minimum(rng.geometric(0.7, len(inflected)), 3), strict=True
            ):
                endings = rng.integers(0, len(language.endings), number)
                words[place] += "".join(language.endings[ending] for ending in endings)
    upos = np.array([UPOS.index(name) for name in names], dtype=np.uint8)
    return words.tolist(), upos[kinds]


def joined(words: list[str]) -> str:
    """Words with spaces, but none before a punctuation mark."""
    marks = set(str(_CLASSES["PUNCT"][1]).split())
    return "".join(word if word in marks else f" {word}" for word in words).strip()


def words_of(language: SyntheticLanguage, count: int, rng: np.random.Generator) -> str:
    """A text of `count` words."""
    return joined(words_and_classes(language, count, rng)[0])
