"""Tokenizers of four kinds for three sentences."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from trained_tokenizer import train_tokenizer

SENTENCES = (
    "The cat sat on the mat. The dog didn't; it ran, and ran!",
    "A café in Paris: the waiter's coats cost 2,024 francs (or so).",
    "Emoji 🙂 and 👩‍👩‍👧, CJK 漢字, marks: cafe\u0301s, naïve.",
)


@cache
def wordpiece() -> CorpusTokenizer:
    """As preparation trains it."""
    return train_tokenizer(SENTENCES * 3, vocab_size=200, lowercase=False)


@cache
def byte_level() -> CorpusTokenizer:
    """Bytes, merged; offsets leave the space before a word out."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES[:2] * 3, trainer)
    return CorpusTokenizer(
        PreTrainedTokenizerFast(
            tokenizer_object=backend,
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<pad>",
            mask_token="<mask>",
        )
    )


@cache
def unigram(split: bool = True) -> CorpusTokenizer:
    """Pieces of our own; with `split`, none of them crosses a space."""
    pieces = ["▁", "▁The", "▁the", "▁cat", "▁ma", "t", "did", "n't", "▁a", "▁caf", "\u0301"]
    letters = sorted(set("".join(SENTENCES)) - {" ", "漢"})
    specials = ["<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = [(piece, 0.0) for piece in specials]
    vocabulary += [(piece, -2.0) for piece in pieces if piece not in letters]
    vocabulary += [(letter, -6.0) for letter in letters if letter not in pieces or letter == "t"]
    vocabulary += [("\u0301", -6.0)] * ("\u0301" not in letters)
    backend = Tokenizer(models.Unigram(list(dict(vocabulary).items()), unk_id=2))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(split=split)
    backend.decoder = decoders.Metaspace()
    return CorpusTokenizer(
        PreTrainedTokenizerFast(
            tokenizer_object=backend,
            pad_token="<pad>",
            eos_token="</s>",
            unk_token="<unk>",
            mask_token="<mask>",
        )
    )


KINDS: dict[str, Callable[[], CorpusTokenizer]] = {
    "wordpiece": wordpiece,
    "byte-level": byte_level,
    "unigram": unigram,
    "unigram, one piece": lambda: unigram(split=False),
}
each_kind = pytest.mark.parametrize("kind", KINDS)
