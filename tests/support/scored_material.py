"""Tokenizers of four kinds, tiny models for them, and scores by the slowest way there is."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from prose import sentence, text
from tiny_models import tiny
from trained_tokenizer import train_tokenizer

TEXTS = (
    "The unlikely farmer paints a lantern, gladly.",
    "She didn't",
    "Marta has 37 of them!  Naïve cafés: €5 (or so)",
    "x",
    "Winter winter winter",
    "The quiet river watches the kettle beside a heavy stone, and Yuki has 80 of them?",
)


def sentences(number: int, *, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [sentence(rng) for _ in range(number)]


def _wrapped(backend: Tokenizer, begin: str, end: str, mask: str) -> PreTrainedTokenizerFast:
    ends = [(token, backend.token_to_id(token)) for token in (begin, end)]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", cls_token=begin,
        sep_token=end, mask_token=mask,
    )  # fmt: skip


@cache
def wordpiece() -> PreTrainedTokenizerFast:
    return train_tokenizer([*TEXTS, text(5)], vocab_size=160, lowercase=True).tokenizer


@cache
def byte_level() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([text(5)], trainer)
    return _wrapped(backend, "<s>", "</s>", "<mask>")


def _unigram(split: bool) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.NFKC()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"],
        unk_token="<unk>", show_progress=False,
    )  # fmt: skip
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.train_from_iterator([*TEXTS, *text(5).splitlines()], trainer)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(split=split)
    return _wrapped(backend, "[CLS]", "[SEP]", "[MASK]")


@cache
def unigram() -> PreTrainedTokenizerFast:
    return _unigram(split=True)


@cache
def unigram_in_one_piece() -> PreTrainedTokenizerFast:
    return _unigram(split=False)


KINDS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "wordpiece": wordpiece,
    "byte-level": byte_level,
    "unigram": unigram,
    "unigram-in-one-piece": unigram_in_one_piece,
}


def model_for(
    tokenizer: PreTrainedTokenizerFast, name: str = "bert", **changes: object
) -> PreTrainedModel:
    """A tiny model of an architecture, with a few more ids than the tokenizer has."""
    settings = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": None, "eos_token_id": None}
    if name.startswith("modernbert"):
        settings |= {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    model = tiny(name, **{"vocab_size": len(tokenizer) + 3, **settings, **changes}).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name.lower():
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
            else:
                parameter *= 3.0  # so that a token's score depends on what is around it
    return model


def words_by_hand(tokenizer: PreTrainedTokenizerFast, text: str) -> list[tuple[int, int]]:
    """For each token of a text, the pre-tokenizer's word and the number of words begun before it.

    The second is found by walking through the text, one character after the other.
    """
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    found = []
    for word, (begin, _) in zip(encoding.word_ids(), encoding["offset_mapping"], strict=True):
        while begin < len(text) and text[begin].isspace():
            begin += 1
        begun = len(text[:begin].split())
        inside = begin > 0 and not text[begin - 1].isspace()
        found.append((word, begun - inside))
    return found


def slow_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, text: str, variant: str
) -> list[float]:
    """One forward pass of the whole model for each token of a text."""
    ids = tokenizer(text)["input_ids"]
    words = words_by_hand(tokenizer, text)
    first = next((i for i, token in enumerate(ids) if token not in _around(tokenizer)), 0)
    scores = []
    for number, word in enumerate(words):
        masked = list(ids)
        for other in range(number, len(words)):
            if other == number or (variant == "within_word_l2r" and words[other] == word):
                masked[first + other] = tokenizer.mask_token_id
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([masked])).logits[0, first + number]
        scores.append(float(logits.double().log_softmax(0)[ids[first + number]]))
    return scores


def _around(tokenizer: PreTrainedTokenizerFast) -> tuple[int, int]:
    return tokenizer.cls_token_id, tokenizer.sep_token_id
