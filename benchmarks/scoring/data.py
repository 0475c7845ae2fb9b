"""What the scoring benchmark scores: generated minimal pairs, two kinds of tokenizers, a model.

A pair is a generated sentence and the same with one word replaced by another of it, or with two
neighbours in the other order. Its length is about that of BLiMP's sentences, 11 tokens. Weights are
random, and large enough that a token's score depends on the tokens around it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForMaskedLM, PreTrainedModel, PreTrainedTokenizerFast

from benchmarks.text import synthetic_language, words_of
from tidemask.modeling.settings import MODEL_SIZES
from tidemask.tasks.zero_shot.pair_files import Pair

TOKENIZERS = ("WordPiece", "byte-level BPE")
_MIN_WORDS, _MAX_WORDS = 6, 10
_BPE_WORDS = 60_000


def pairs(number: int, *, seed: int = 5) -> list[Pair]:
    """Minimal pairs; always the same for a seed, none of them of equal sentences."""
    rng = np.random.default_rng(seed)
    found: list[Pair] = []
    while len(found) < number:
        count = int(rng.integers(_MIN_WORDS, _MAX_WORDS, endpoint=True))
        words = words_of(synthetic_language(), count, rng).split()
        if len(words) < 3:
            continue
        place = int(rng.integers(len(words) - 1))
        changed = list(words)
        if rng.random() < 0.5:
            changed[place : place + 2] = words[place + 1], words[place]
        else:
            changed[place] = words[int(rng.integers(len(words)))]
        if changed != words:
            place_in_list = f"pair {len(found)}"
            found.append(Pair(" ".join(words), " ".join(changed), "made", "", "", place_in_list))
    return found


@cache
def tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """One of `TOKENIZERS`, of about 30,000 and 20,000 entries."""
    return synthetic_language().tokenizer if kind == "WordPiece" else _byte_level()


def _byte_level() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=20_000,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    text = words_of(synthetic_language(), _BPE_WORDS, np.random.default_rng(7))
    backend.train_from_iterator([text], trainer)
    backend.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), add_prefix_space=False
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )


def model(size: str, kind: str) -> PreTrainedModel:
    """A BERT of one of the sizes that tidemask knows, with random weights, for a tokenizer."""
    shape = MODEL_SIZES[size]
    config = BertConfig(
        vocab_size=len(tokenizer(kind)),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        initializer_range=0.1,
        pad_token_id=tokenizer(kind).pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return BertForMaskedLM(config).eval()
