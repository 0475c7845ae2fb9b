"""Corruption: what the input shows at the drawn positions.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int, Int32
from torch import Tensor

from tidemask.masking.bitmask import as_bool, below, where_mask
from tidemask.masking.noise import DRAW_BITS, Purpose, Streams, positions_of
from tidemask.masking.schedule import Schedule, ratio_at
from tidemask.settings import Settings, check_integer, check_share, shown
from tidemask.token_ids import num_ids

_CHECKED_POINTS = 100

MAX_VOCABULARY = 1 << 24
"""Sizes of vocabularies are below it. Ids are masked as int32, and tables have a place for each."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of the drawn positions at one step; they add up to 1."""

    mask: float
    random: float
    keep: float


@dataclass(frozen=True, kw_only=True)
class Corruption(Settings):
    """Shares of the drawn positions that become the mask token, a random token, or stay.

    Each is a number, or a schedule over progress.

    References:
        Devlin et al., "BERT" (NAACL 2019), section 3.1: 0.8, 0.1, 0.1. Deviation: random tokens are
        never special ones, nor entries that text never has (`Vocabulary.unused_ids`).
    """

    mask: float | Schedule = 0.8
    """Share that becomes the mask token, in [0, 1]."""
    random: float | Schedule = 0.1
    """Share that becomes a uniformly random vocabulary entry, not special nor unused, in [0, 1]."""
    keep: float | Schedule = 0.1
    """Share that stays as it is, in [0, 1]; the three add up to 1 at any progress."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("mask", "random", "keep"):
            value = getattr(self, name)
            if isinstance(value, int | float):
                check_share(name, value)
        for point in range(_CHECKED_POINTS + 1):
            self.at(point / _CHECKED_POINTS)

    def at(self, progress: float) -> Shares:
        """The shares at `progress` in [0, 1].

        Raises:
            ValueError: they do not add up to 1 there.
        """
        shares = Shares(
            mask=ratio_at(self.mask, progress),
            random=ratio_at(self.random, progress),
            keep=ratio_at(self.keep, progress),
        )
        total = shares.mask + shares.random + shares.keep
        if not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(
                f"mask={shares.mask:g}, random={shares.random:g} and keep={shares.keep:g} add up "
                f"to {total:g} at progress {progress:g}. Expected shares that add up to 1."
            )
        return shares


@runtime_checkable
class Tokenizer(Protocol):
    """What is read of a Hugging Face tokenizer."""

    mask_token_id: int | None
    pad_token_id: int | None

    @property
    def all_special_ids(self) -> list[int]:
        """Ids of the tokens that have a special name."""
        ...

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
        if tokenizer.mask_token_id is None:
            raise ValueError("mask_token_id=None. Expected the tokenizer of a masked model.")
        added = getattr(tokenizer, "added_tokens_decoder", {}).items()
        special = {*tokenizer.all_special_ids, *(i for i, token in added if token.special)}
        tokens = tokenizer.get_vocab()
        size = _checked_size(num_ids(tokens))
        filling = {i for token, i in tokens.items() if _UNUSED_TOKEN.fullmatch(token)}
        holes = set(range(size)) - set(tokens.values())
        return cls.of(size, tokenizer.mask_token_id, special, filling | holes)

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


@lru_cache(maxsize=16)
def _ordinary_ids(vocabulary: Vocabulary, device: torch.device) -> Tensor:
    """The ordinary ids on a device, copied once: a copy at every step would wait for the device."""
    return vocabulary.ordinary_ids.to(device)


def corrupt(
    input_ids: Int[Tensor, "B L"],
    drawn: Int32[Tensor, "B L"],
    *,
    streams: Streams,
    shares: Shares,
    vocabulary: Vocabulary,
) -> Int[Tensor, "B L"]:
    """Ids with the drawn positions masked, replaced or kept; the input is not changed.

    The kind of corruption is drawn for each position by itself, not for its unit.

    Args:
        input_ids: original ids.
        drawn: mask of the positions to corrupt, 0 or -1.
        streams: noise with the purposes `CORRUPTION` and `RANDOM_TOKEN`.
        shares: of the three kinds.
        vocabulary: mask token and the ids to draw from.
    """
    input_ids = input_ids.contiguous()
    if shares.mask >= 1.0:
        return where_mask(drawn.to(input_ids.dtype), vocabulary.mask_id, input_ids)
    # One draw per position decides: the lowest part of its range is a mask token, the next part a
    # random token (below the sum of both shares, but not below the first), the rest stays.
    kind = streams.draws(Purpose.CORRUPTION, positions_of(input_ids))
    is_mask = below(kind, shares.mask).bitwise_and_(drawn)
    ids = where_mask(is_mask.to(input_ids.dtype), vocabulary.mask_id, input_ids)
    if shares.random > 0.0:
        is_random = below(kind, min(1.0, shares.mask + shares.random)).bitwise_and_(drawn)
        is_random.bitwise_xor_(is_mask)
        _replace_with_random_(ids, is_random, streams, vocabulary)
    return ids


def _replace_with_random_(
    ids: Tensor, is_random: Tensor, streams: Streams, vocabulary: Vocabulary
) -> None:
    """Write random tokens in place where the mask `is_random` is -1.

    On a CPU they are drawn only where they are needed. On a GPU they are drawn everywhere: to find
    the places, the host would wait for the device.
    """
    length = ids.shape[1]
    ordinary = _ordinary_ids(vocabulary, ids.device)
    if ids.is_cuda:
        draws = streams.draws(Purpose.RANDOM_TOKEN, positions_of(ids)).to(torch.int64)
        tokens = ordinary[(draws * len(ordinary)) >> DRAW_BITS].to(ids.dtype)
        ids.copy_(torch.where(as_bool(is_random), tokens, ids))
        return
    places = is_random.flatten().nonzero().squeeze(1)
    samples = torch.div(places, length, rounding_mode="floor") if length else places
    positions = (places - samples * length).to(torch.int32)
    draws = streams.draws_at(Purpose.RANDOM_TOKEN, samples, positions).to(torch.int64)
    tokens = ordinary.index_select(0, (draws * len(ordinary)) >> DRAW_BITS).to(ids.dtype)
    ids.view(-1).index_copy_(0, places, tokens)
