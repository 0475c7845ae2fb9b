"""Tokenizers of transformers that work in Python and do not say where their tokens stand in text.

ESM's, of amino acids, has a fast form that gives the same ids. The others are refused: words, marks
and classes cannot be put on tokens without places.
"""

from __future__ import annotations

import re
from typing import Any

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from tidemask.errors import UserError

_REASONS = {
    "BertJapaneseTokenizer": "finds words with a Japanese analyser, which no tokenizer.json has",
    "CanineTokenizer": "gives code points, for which transformers has no masked language model",
    "PhobertTokenizer": "expects words whose syllables another program has joined",
}
_IN_PYTHON = "works in Python and keeps no places of its tokens in a text"


def fast_form(tokenizer: Any, name: object) -> Any:
    """A fast tokenizer that gives texts the same ids as a slow one.

    Args:
        tokenizer: a slow one of transformers.
        name: where it is from, for messages.

    Raises:
        UserError: there is no such form of its class.
    """
    kind = type(tokenizer).__name__
    if kind == "EsmTokenizer":
        fast = _of_single_entries(tokenizer)
        if _agree(tokenizer, fast):
            return fast
    raise UserError(
        f"not a fast tokenizer: {name} ({kind}), which {_REASONS.get(kind, _IN_PYTHON)}. Expected "
        "one with a tokenizer.json, for character offsets. Convert it, use another, or train one "
        "(tokenizer_kind)."
    )


def _of_single_entries(tokenizer: Any) -> Any:
    """The fast form of a tokenizer that finds its entries in text, the longest first."""
    from transformers import PreTrainedTokenizerFast

    vocabulary = tokenizer.get_vocab()
    special = set(tokenizer.all_special_tokens)
    entries = sorted(vocabulary.keys() - special, key=lambda entry: (-len(entry), entry))
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=tokenizer.unk_token))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex("|".join(map(re.escape, entries))), "isolated"),
        ]
    )
    backend.add_special_tokens(sorted(special, key=vocabulary.__getitem__))
    begin, end = tokenizer.cls_token, tokenizer.eos_token
    backend.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} $B {end}",
        special_tokens=[(token, vocabulary[token]) for token in (begin, end)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        **tokenizer.special_tokens_map,
        model_max_length=tokenizer.model_max_length,
        model_input_names=["input_ids", "attention_mask"],
    )


def _agree(slow: Any, fast: Any) -> bool:
    """Whether both give the same ids to texts with all entries, run together and spaced."""
    entries = sorted(slow.get_vocab())
    texts = ["".join(entries), " ".join(entries), "\u00df" + "\u00df".join(entries), ""]
    return all(slow(text)["input_ids"] == fast(text)["input_ids"] for text in texts)
