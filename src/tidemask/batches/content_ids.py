"""Ids of sequences that have none: a hash of what a sequence holds.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from tidemask.masking.noise import philox_4x32

_HASH_KEY = (0x7DE_3A5C, 0)
_ODD = 0x2545F4914F6CDD1D


def hashed_content(
    input_ids: Int[Tensor, "B L"], inside: Bool[Tensor, "B L"] | None
) -> Int[Tensor, "B"]:
    """A sample id for each sequence: a hash of its ids, padding left out, in [0, 2**63).

    Multilinear hashing: the sum of `(id + 1) c[position]` with fixed random odd 64-bit factors `c`,
    modulo 2**64, its bits mixed and its sign dropped. Equal sequences get equal ids.
    """
    # `id + 1`, so that an id of 0 differs from padding, which adds nothing.
    factors = _hash_factors(input_ids.shape[1])
    ids = input_ids + 1 if inside is None else (input_ids + 1) * inside
    total = (ids * factors).sum(1)
    total = (total ^ ((total >> 32) & 0xFFFFFFFF)) * _ODD
    return (total ^ ((total >> 32) & 0xFFFFFFFF)) & (2**63 - 1)


@lru_cache(maxsize=64)
def _hash_factors(length: int) -> Int[Tensor, "L"]:
    """Fixed random odd numbers, int64, one per position."""
    positions = torch.arange(length, dtype=torch.int64, device="cpu")
    zeros = torch.zeros_like(positions)
    low, high, *_ = philox_4x32((positions, zeros, zeros, zeros), _HASH_KEY)
    return (high << 32) | low | 1
