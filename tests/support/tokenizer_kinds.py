"""Small tokenizers of every way to mark the space before a word, with and without a frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from prose import text

SPECIAL = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
PAD, UNKNOWN, BEGIN, END, MASK = range(5)
_ALPHABET = pre_tokenizers.ByteLevel.alphabet()


def _bpe(backend: Tokenizer, alphabet: list[str], vocab_size: int = 420) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=SPECIAL,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    backend.train_from_iterator(text(8).splitlines(), trainer)
    return backend


def _wordpiece() -> Tokenizer:
    backend = Tokenizer(models.WordPiece(unk_token="<unk>"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=SPECIAL, show_progress=False)
    backend.train_from_iterator(text(8).splitlines(), trainer)
    return backend


def _byte_level() -> Tokenizer:
    """RoBERTa's form: the space before a word is its first character, and offsets lose it."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return _bpe(backend, _ALPHABET)


def _robbert() -> Tokenizer:
    """RobBERT's form: white space is taken away, each word gets one, and offsets lose a letter."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    backend.post_processor = processors.ByteLevel(trim_offsets=True, add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    return _bpe(backend, _ALPHABET)


def _unigram() -> Tokenizer:
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=160, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator(text(8).splitlines(), trainer)
    return backend


def _gemma() -> Tokenizer:
    """Gemma's form: a normaliser writes the mark, and no pre-tokenizer cuts at it."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    _bpe(backend, [], vocab_size=200)
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    backend.decoder = decoders.Replace("▁", " ")
    return backend


def _llama() -> Tokenizer:
    """Llama's form: a normaliser writes the mark, before the text too, and nothing cuts at it."""
    backend = _gemma()
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.pre_tokenizer = None  # type: ignore[assignment]
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Strip(" ", 1, 0)])
    return backend


_BACKENDS: dict[str, Callable[[], Tokenizer]] = {
    "wordpiece": _wordpiece,
    "byte-level": _byte_level,
    "robbert": _robbert,
    "unigram": _unigram,
    "gemma": _gemma,
    "llama": _llama,
}
KINDS = tuple(_BACKENDS)


@cache
def _serialised(kind: str) -> str:
    return str(_BACKENDS[kind]().to_str())


def backend_of(kind: str) -> Tokenizer:
    """A new copy of a tokenizer of a kind, whose post-processor adds no token."""
    return Tokenizer.from_str(_serialised(kind))


def tokenizer_of(kind: str, *, template: tuple[str, str | None] | None = None, **named: str) -> Any:
    """A tokenizer of a kind.

    Args:
        kind: one of `KINDS`.
        template: what its post-processor makes of a text, and of a pair: `<s> $A </s>`.
        named: the special tokens that it has a name for, beside padding, unknown and mask.
    """
    backend = backend_of(kind)
    if template is not None:
        single, pair = template
        added = processors.TemplateProcessing(
            single=single,
            pair=pair,
            special_tokens=[("<s>", BEGIN), ("</s>", END)],
        )
        before = [backend.post_processor] if backend.post_processor else []
        backend.post_processor = processors.Sequence([*before, added])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        **named,
    )
