"""Keyed uniform noise: every random number is a function of where it is used.

There is no generator and no state. A draw is Philox4x32-10 applied to a counter that spells out
the purpose, the step, the sample and the position, under a key that is the seed. The map from
(counter, key) to output is a bijection of the counter for each key, and no two places share a
counter, so streams of different purposes, steps and samples never meet. All arithmetic is on
integers: a CPU and a GPU give the same bits.

References:
    Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3.3
    and the known-answer vectors of Random123.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Int
from torch import Tensor

BITS = 32
"""Width of one draw; a draw is an integer in [0, 2**32)."""

MAX_LENGTH = 4 << 24
"""Most positions that a sequence may have."""

_WORD = 0xFFFFFFFF
_MULTIPLIER_0 = 0xD2511F53
_MULTIPLIER_1 = 0xCD9E8D57
_KEY_STEP_0 = 0x9E3779B9
_KEY_STEP_1 = 0xBB67AE85
_ROUNDS = 10


class Purpose(IntEnum):
    """What a draw decides; each purpose has streams of its own. At most 256."""

    SELECTION = 0
    CORRUPTION = 1
    RANDOM_TOKEN = 2
    DATA_ORDER = 3
    HELD_OUT = 4


@dataclass(frozen=True)
class StepKey:
    """Where in which training a batch is masked.

    Attributes:
        seed: of the whole run, in [0, 2**64).
        step: global step, 0-based, in [0, 2**32).
    """

    seed: int
    step: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 64:
            raise ValueError(f"seed={self.seed}. Expected an integer in [0, 2**64).")
        if not 0 <= self.step < 1 << 32:
            raise ValueError(f"step={self.step}. Expected an integer in [0, 2**32).")


def random_bits(
    key: StepKey, purpose: Purpose, sample_ids: Int[Tensor, "B"], length: int
) -> Int[Tensor, "B {length}"]:
    """Uniform integers in [0, 2**32), one for each position of each sample.

    The draw at (sample, position) depends on the arguments only: not on the batch around the
    sample, nor on `length`, which says how many positions are wanted.

    Args:
        key: seed and step.
        purpose: what the numbers decide.
        sample_ids: what names each sample, int64, on the device where the result is wanted.
        length: number of positions, at most `MAX_LENGTH`.

    Returns:
        int64; a draw is below `threshold` with probability `threshold / 2**32`.

    Raises:
        ValueError: `length` is negative or above `MAX_LENGTH`.
    """
    if not 0 <= length <= MAX_LENGTH:
        raise ValueError(f"length={length}. Expected a number of positions in [0, {MAX_LENGTH}].")
    num_blocks = -(-length // 4)
    block = torch.arange(num_blocks, dtype=torch.int64, device=sample_ids.device)
    counter = (
        block | (int(purpose) << 24),
        torch.full_like(block[:1], key.step) if num_blocks else block,
        (sample_ids & _WORD).unsqueeze(1),
        ((sample_ids >> 32) & _WORD).unsqueeze(1),
    )
    words = philox_4x32(counter, (key.seed & _WORD, key.seed >> 32))
    shape = (sample_ids.shape[0], num_blocks)
    bits = torch.stack([word.expand(shape) for word in words], dim=-1)
    return bits.reshape(sample_ids.shape[0], 4 * num_blocks)[:, :length]


def philox_4x32(
    counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key.

    Args:
        counter: four int64 tensors that broadcast together, values in [0, 2**32).
        key: two integers in [0, 2**32).

    Returns:
        Four int64 tensors with values in [0, 2**32). The inputs are not changed.

    References:
        Salmon et al. 2011, section 3.3; `test_noise.py` holds the authors' known answers.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        # A 32 x 32 bit product fills 64 bits and may wrap to a negative int64; the masks undo that.
        product_0 = c0 * _MULTIPLIER_0
        product_1 = c2 * _MULTIPLIER_1
        c0, c1, c2, c3 = (
            ((product_1 >> 32) & _WORD) ^ c1 ^ k0,
            product_1 & _WORD,
            ((product_0 >> 32) & _WORD) ^ c3 ^ k1,
            product_0 & _WORD,
        )
        k0 = (k0 + _KEY_STEP_0) & _WORD
        k1 = (k1 + _KEY_STEP_1) & _WORD
    return c0, c1, c2, c3


def permutation(seed: int, purpose: Purpose, round_number: int, size: int) -> Int[Tensor, "size"]:
    """A uniformly random order of `size` things, int64, on the CPU.

    The order of each round (an epoch, say) is drawn afresh: indices are sorted by 63-bit draws.

    Args:
        seed: of the whole run.
        purpose: what the order is for.
        round_number: which order, in [0, 2**32).
        size: number of things.
    """
    key = StepKey(seed, round_number)
    ids = torch.arange(-(-size // 2), dtype=torch.int64)
    words = random_bits(key, purpose, ids, 4).reshape(-1, 2)[:size]
    draws = (words[:, 0] << 31) ^ words[:, 1]
    return torch.argsort(draws, stable=True)
