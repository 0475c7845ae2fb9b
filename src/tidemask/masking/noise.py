"""Keyed uniform noise: every random number is a function of where it is used.

There is no generator and no state. A draw depends on the seed, the purpose, the step, the sample
and the position, and on nothing else. It is made in two stages, both in integer arithmetic, so that
a CPU and a GPU give the same bits:

1. Philox4x32-10, a counter-based generator, turns (seed, purpose, step) into four 32-bit words.
   Its map from counter to output is a bijection, so no two streams share their words.
2. A 32-bit mixing function turns these words and the sample's id into two keys per sample, an
   offset and an odd step, and mixes `offset + step x position` into a draw. It is a bijection of
   the position: before its top bit is dropped, no two positions of a sample meet. That two samples
   meet at one position says nothing about the next, as their steps differ.

The second stage is what makes a draw cheap: a dozen vectorised 32-bit operations, where Philox
takes thirty-five 64-bit ones. `test_noise_laws.py` holds it to the laws of uniform, independent
numbers, for positions up to 2**23.

Dimensions: `B` sequences, `L` positions, `N` places.

References:
    Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section
    3.3. Wellons, "Prospecting for hash functions" (2018), the function `lowbias32`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import TypeVar

import torch
from jaxtyping import Int, Int32
from torch import Tensor

from tidemask.settings import MAX_STEPS, check_integer

DRAW_BITS = 31
"""Width of one draw: an integer in [0, 2**31), so that it is never negative as an int32."""


_WORD = 0xFFFFFFFF
_MULTIPLIER_0 = 0xD2511F53
_MULTIPLIER_1 = 0xCD9E8D57
_KEY_STEP_0 = 0x9E3779B9
_KEY_STEP_1 = 0xBB67AE85
_ROUNDS = 10


def _constant(value: int) -> Tensor:
    """A 32-bit constant as a tensor: a small operation with a number takes twice as long."""
    signed = value - (1 << 32) if value >> 31 else value
    return torch.tensor(signed, dtype=torch.int32, device="cpu")


_DRAW_MASK = _constant((1 << DRAW_BITS) - 1)
_ODD = _constant(1)
_MIX_0, _MIX_1 = _constant(0x7FEB352D), _constant(0x846CA68B)
_15, _16 = _constant(15), _constant(16)
_LOW_16, _LOW_17 = _constant(0xFFFF), _constant(0x1FFFF)

_IntOrTensor = TypeVar("_IntOrTensor", int, Tensor)


class Purpose(IntEnum):
    """What a draw decides; each purpose has streams of its own. At most 256."""

    SELECTION = 0
    CORRUPTION = 1
    RANDOM_TOKEN = 2
    DATA_ORDER = 3
    HELD_OUT = 4
    CROSSING_UNIT = 5
    SEQUENCE_RATIO = 6
    SPAN_LENGTH = 7
    PREDICTION = 8
    SOURCE_DRAW = 9
    PART = 10
    RATIO_CHOICE = 11


@dataclass(frozen=True)
class StepKey:
    """The run and the step for which a batch is masked: the key of all draws.

    Attributes:
        seed: of the whole run, in [0, 2**64).
        step: global step, 0-based, in [0, 2**32).

    Example:
        >>> StepKey(seed=0, step=250) == StepKey(seed=0, step=250)
        True
        >>> StepKey(seed=0, step=-1)
        Traceback (most recent call last):
        ValueError: step=-1. Expected an integer from 0 to 2**32 - 1.
    """

    seed: int
    step: int

    def __post_init__(self) -> None:
        for name, below in (("seed", 1 << 64), ("step", MAX_STEPS)):
            value = check_integer(name, getattr(self, name), minimum=0, below=below)
            object.__setattr__(self, name, value)


class Streams:
    """The draws of several purposes at the places of one batch.

    Args:
        key: seed and step.
        sample_ids: number of each sample, int64, on the device where draws are wanted.
        purposes: what will be drawn; keys are derived for all of them at once.

    Example:
        >>> import torch
        >>> streams = Streams(StepKey(seed=0, step=7), torch.tensor([3, 4]), [Purpose.SELECTION])
        >>> draws = streams.draws(Purpose.SELECTION, torch.arange(5, dtype=torch.int32))
        >>> draws.shape, draws.dtype, bool((draws >= 0).all())
        (torch.Size([2, 5]), torch.int32, True)
    """

    def __init__(
        self, key: StepKey, sample_ids: Int[Tensor, "B"], purposes: Sequence[Purpose]
    ) -> None:
        self._lane = {purpose: 2 * lane for lane, purpose in enumerate(purposes)}
        words = torch.tensor(_words(key.seed, key.step, tuple(purposes)), device="cpu")
        first, second = words.to(torch.int32).to(sample_ids.device, non_blocking=True).unbind()
        # Both halves of the 64-bit sample id are mixed in; bit operations and sums wrap as int32.
        low = sample_ids.to(torch.int32).unsqueeze(1)
        high = (sample_ids >> 32).to(torch.int32).unsqueeze(1)
        self._keys = _mixed_((_mixed_(low ^ first) ^ high) + second)
        # Per purpose an offset and a step; an odd step makes `step x position` a bijection.
        self._keys[:, 1::2] |= _ODD

    def draws(
        self, purpose: Purpose, positions: Int32[Tensor, "L"] | Int32[Tensor, "B L"]
    ) -> Int32[Tensor, "B L"]:
        """Uniform integers in [0, 2**31), one for each sample and position.

        Args:
            purpose: one of those that were asked for.
            positions: of each draw, the same for all samples [L] or one set per sample [B, L].
                Equal positions of a sample get equal draws.
        """
        lane = self._lane[purpose]
        return _drawn(positions, self._keys[:, lane, None], self._keys[:, lane + 1, None])

    def draws_at(
        self, purpose: Purpose, samples: Int[Tensor, "N"], positions: Int32[Tensor, "N"]
    ) -> Int32[Tensor, "N"]:
        """The same draws at some places only.

        Args:
            purpose: one of those that were asked for.
            samples: row of each place within the batch, int64.
            positions: of each place.
        """
        lane = self._lane[purpose]
        keys = self._keys[:, lane : lane + 2].index_select(0, samples)
        return _drawn(positions, keys[:, 0], keys[:, 1])


def positions_of(input_ids: Int[Tensor, "B L"]) -> Int32[Tensor, "L"]:
    """The positions of a batch, 0 to `L - 1`, on its device."""
    return torch.arange(input_ids.shape[1], dtype=torch.int32, device=input_ids.device)


@torch.compiler.disable  # type: ignore[untyped-decorator]
@lru_cache(maxsize=64)
def _words(seed: int, step: int, purposes: tuple[Purpose, ...]) -> tuple[list[int], list[int]]:
    """First and second pair of Philox words of each purpose, one purpose after the other."""
    # The last word of the counter is 0 in `permutation`: the two never share a block.
    words = [philox_4x32((int(p), step, 0, 1), (seed & _WORD, seed >> 32)) for p in purposes]
    return [w for word in words for w in word[:2]], [w for word in words for w in word[2:]]


def _drawn(positions: Tensor, offset: Tensor, step: Tensor) -> Tensor:
    return _mixed_((positions * step).add_(offset)).bitwise_and_(_DRAW_MASK)


def _mixed_(x: Tensor) -> Tensor:
    """Mix the bits of fresh int32 values in place: a bijection.

    Shifts of int32 copy the sign, hence the masks.
    """
    shifted = (x >> _16).bitwise_and_(_LOW_16)
    x.bitwise_xor_(shifted).mul_(_MIX_0)
    torch.bitwise_right_shift(x, _15, out=shifted)
    x.bitwise_xor_(shifted.bitwise_and_(_LOW_17)).mul_(_MIX_1)
    torch.bitwise_right_shift(x, _16, out=shifted)
    return x.bitwise_xor_(shifted.bitwise_and_(_LOW_16))


def philox_4x32(
    counter: tuple[_IntOrTensor, _IntOrTensor, _IntOrTensor, _IntOrTensor], key: tuple[int, int]
) -> tuple[_IntOrTensor, _IntOrTensor, _IntOrTensor, _IntOrTensor]:
    """Philox4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key.

    Args:
        counter: four integers, or four int64 tensors that broadcast together, in [0, 2**32).
        key: two integers in [0, 2**32).

    Returns:
        Four integers or int64 tensors in [0, 2**32). The inputs are not changed.

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
    """A uniformly random order of the indices below `size`, int64, on the CPU.

    Each round (an epoch, say) has an order of its own: indices are sorted by 63-bit draws.

    Args:
        seed: of the whole run, in [0, 2**64).
        purpose: what the order is for.
        round_number: which order, in [0, 2**32).
        size: number of indices.

    Raises:
        ValueError: seed or round number outside its range.
    """
    key = StepKey(seed, round_number)
    # One Philox block per pair of indices; its four words make two draws of 63 bits.
    pairs = torch.arange(-(-size // 2), dtype=torch.int64, device="cpu")
    block = torch.full_like(pairs, int(purpose) << 24)
    counter = (block, torch.full_like(pairs, key.step), pairs & _WORD, pairs >> 32)
    words = torch.stack(philox_4x32(counter, (key.seed & _WORD, key.seed >> 32)), dim=-1)
    words = words.reshape(-1, 2)[:size]
    draws = (words[:, 0] << 31) ^ words[:, 1]
    return torch.argsort(draws, stable=True)
