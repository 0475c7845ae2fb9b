"""Corruption: what the input shows at the selected positions.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from tidemask.noise import BITS
from tidemask.settings import Settings, check_share


@dataclass(frozen=True, kw_only=True)
class Corruption(Settings):
    """Shares of the selected positions that become the mask token, a random token, or stay.

    References:
        Devlin et al., "BERT" (NAACL 2019), section 3.1: 0.8, 0.1, 0.1. Deviation: random tokens are
        never special ones.
    """

    mask: float = 0.8
    """Share that becomes the mask token, in [0, 1]."""
    random: float = 0.1
    """Share that becomes a uniformly random vocabulary entry that is not special, in [0, 1]."""
    keep: float = 0.1
    """Share that stays as it is, in [0, 1]; the three add up to 1."""

    def __post_init__(self) -> None:
        check_share("mask", self.mask)
        check_share("random", self.random)
        check_share("keep", self.keep)
        total = self.mask + self.random + self.keep
        if abs(total - 1.0) > 1e-6:
            raise ValueError(
                f"mask={self.mask:g}, random={self.random:g} and keep={self.keep:g} add up to "
                f"{total:g}. Expected shares that add up to 1."
            )


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know of a tokenizer.

    Attributes:
        size: number of ids.
        mask_id: id of the mask token.
        special_ids: ids that are never selected and never drawn as random tokens; the mask token
            is always one of them.
    """

    size: int
    mask_id: int
    special_ids: frozenset[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "special_ids", self.special_ids | {self.mask_id})
        if not 0 <= self.mask_id < self.size:
            raise ValueError(f"mask_id={self.mask_id}. Expected an id in [0, {self.size}).")
        if len(self.special_ids) >= self.size:
            raise ValueError(f"size={self.size}. Expected an id that is not special.")

    @classmethod
    def of(cls, size: int, mask_id: int, special_ids: Iterable[int]) -> Vocabulary:
        """A vocabulary from any collection of special ids."""
        return cls(size, mask_id, frozenset(special_ids))

    @cached_property
    def ordinary_ids(self) -> Int[Tensor, "num_ordinary"]:
        """Ids that are not special, ascending, int64."""
        return torch.tensor([i for i in range(self.size) if i not in self.special_ids])

    @cached_property
    def is_special(self) -> Bool[Tensor, "V"]:
        """For each id, whether it is special."""
        table = torch.ones(self.size, dtype=torch.bool)
        table[self.ordinary_ids] = False
        return table


def corrupt(
    input_ids: Int[Tensor, "B L"],
    selected: Bool[Tensor, "B L"],
    *,
    kind_bits: Int[Tensor, "B L"],
    token_bits: Int[Tensor, "B L"],
    corruption: Corruption,
    vocabulary: Vocabulary,
) -> Int[Tensor, "B L"]:
    """Ids with the selected positions masked, replaced or kept; the input is not changed.

    Args:
        input_ids: original ids.
        selected: positions to predict.
        kind_bits: uniform integers in [0, 2**32) that choose between the three kinds.
        token_bits: uniform integers in [0, 2**32) that choose the random token.
        corruption: shares of the three kinds.
        vocabulary: mask token and the ids to draw from.
    """
    mask_below = round(corruption.mask * 2**BITS)
    random_below = round((corruption.mask + corruption.random) * 2**BITS)
    ordinary = vocabulary.ordinary_ids.to(input_ids.device)
    random_ids = ordinary[(token_bits * ordinary.shape[0]) >> BITS].to(input_ids.dtype)
    is_mask = selected & (kind_bits < mask_below)
    is_random = selected & (kind_bits >= mask_below) & (kind_bits < random_below)
    return torch.where(is_random, random_ids, input_ids.masked_fill(is_mask, vocabulary.mask_id))
