"""The vocabulary as masking sees it: size, mask token, and the ids that are drawn at random.

Dimension: `V` vocabulary entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from tidemask.settings import check_integer, shown
from tidemask.token_ids import num_ids

MAX_VOCABULARY = 1 << 24
"""Sizes of vocabularies are below it. Ids are masked as int32, and tables have a place for each."""


@runtime_checkable
class Tokenizer(Protocol):
    """What is read of a Hugging Face tokenizer, beside ids of special tokens.

    A tokenizer gives its `mask_token_id` and the like by `__getattr__`, where the check of a
    protocol does not look from Python 3.12 on.
    """

    def get_vocab(self) -> dict[str, int]:
        """Ids of all tokens, added ones included."""
        ...


_UNUSED_TOKEN = re.compile(r"\[unused\d+\]|<unused\d+>|madeupword\d+|<\w+>NOTUSED")
"""Entries that fill up a vocabulary: of BERT and ModernBERT, Gemma, fairseq, CamemBERT."""


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know of a tokenizer.

    Attributes:
        size: number of ids, in [1, 2**24).
        mask_id: id of the mask token.
        special_ids: ids that are never drawn as random tokens; the mask token is always one of
            them. Whether they may be selected is decided by `Batch.maskable`.
        unused_ids: ids that are never drawn either, since text never has them: without a token, or
            with one that fills up the vocabulary.

    Raises:
        ValueError: a size outside its range, an id outside the vocabulary or that is no integer, or
            no id that is not special.

    Example:
        >>> vocabulary = Vocabulary.of(size=8, mask_id=4, special_ids=[0, 2, 3], unused_ids=[6])
        >>> vocabulary.ordinary_ids.tolist()
        [1, 5, 7]
    """

    size: int
    mask_id: int
    special_ids: frozenset[int]
    unused_ids: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        size = _checked_size(self.size)
        special = check_ids("special_ids", self.special_ids, size)
        unused = check_ids("unused_ids", self.unused_ids, size)
        mask_id = check_integer("mask_id", self.mask_id, minimum=0, below=size, what="an id")
        for name, value in (("size", size), ("mask_id", mask_id)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "special_ids", frozenset(special) | {mask_id})
        object.__setattr__(self, "unused_ids", frozenset(unused) - self.special_ids)
        if not self.ordinary_ids.numel():
            raise ValueError(f"size={self.size}. Expected an id that is not special.")

    @classmethod
    def of(
        cls, size: int, mask_id: int, special_ids: Iterable[int], unused_ids: Iterable[int] = ()
    ) -> Vocabulary:
        """A vocabulary from any collections of ids."""
        size = _checked_size(size)
        special = frozenset(check_ids("special_ids", special_ids, size))
        return cls(size, mask_id, special, frozenset(check_ids("unused_ids", unused_ids, size)))

    @classmethod
    def of_tokenizer(cls, tokenizer: Tokenizer) -> Vocabulary:
        """The vocabulary of a Hugging Face tokenizer, up to its largest id.

        Added tokens are special if they were added as such, named or not, and ordinary otherwise.

        Raises:
            ValueError: it has no mask token, or two tokens of one id.
        """
        mask_id = getattr(tokenizer, "mask_token_id", None)
        if mask_id is None:
            raise ValueError("mask_token_id=None. Expected the tokenizer of a masked model.")
        added = getattr(tokenizer, "added_tokens_decoder", {}).items()
        named = getattr(tokenizer, "all_special_ids", [])
        special = {*named, *(i for i, token in added if token.special)}
        tokens = tokenizer.get_vocab()
        size = _checked_size(num_ids(tokens))
        filling = {i for token, i in tokens.items() if _UNUSED_TOKEN.fullmatch(token)}
        holes = set(range(size)) - set(tokens.values())
        return cls.of(size, mask_id, special, filling | holes)

    @cached_property
    def ordinary_ids(self) -> Int[Tensor, "num_ordinary"]:
        """Ids that random tokens are drawn from, ascending, int64."""
        is_ordinary = ~self.is_special
        is_ordinary[sorted(self.unused_ids)] = False
        return is_ordinary.nonzero().squeeze(1)

    @cached_property
    def is_special(self) -> Bool[Tensor, "V"]:
        """For each id, whether it is special."""
        table = torch.zeros(self.size, dtype=torch.bool, device="cpu")
        table[sorted(self.special_ids)] = True
        return table


def _checked_size(size: int) -> int:
    return check_integer("size", size, minimum=1, below=MAX_VOCABULARY)


def check_ids(name: str, ids: Any, size: int) -> list[int]:
    """Ids of a vocabulary as a list of integers.

    Raises:
        ValueError: one is no integer or outside the vocabulary; the message names it.
    """
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise ValueError(f"{name}={shown(ids)}. Expected ids from 0 to {size - 1}.")
    return [check_integer(name, i, minimum=0, below=size, what="an id") for i in ids]
