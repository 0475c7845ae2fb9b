"""Maps from what was learned to weights: the larger a number, the more is masked.

A map reads numbers that stand beside each other, of all classes or of the positions of a sequence,
and gives each a weight. The weight 1 stands for "as often as without weights" under every map.

Dimension: `N` numbers beside each other.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from tidemask.masking.map_settings import PowerMap, SigmoidMap, WeightMap

_EQUAL_UP_TO = 1e-9
"""Relative spread below which numbers differ by rounding alone."""


def mapped(numbers: Float[Tensor, "*rows N"], weight_map: WeightMap) -> Float[Tensor, "*rows N"]:
    """Weight of each number among those of its row, float64, at least 0.

    Args:
        numbers: NaN where nothing is known; such a number changes no other's weight.
        weight_map: which map.

    Returns:
        Weights around 1; NaN where numbers do not decide: where nothing is known, and in a row with
        fewer than two known numbers or none that differs.

    Example:
        >>> import torch
        >>> from tidemask.masking.map_settings import PowerMap, RankMap
        >>> mapped(torch.tensor([1.0, 3.0, float("nan")]), PowerMap()).tolist()
        [0.5, 1.5, nan]
        >>> mapped(torch.tensor([4.0, 1.0, 2.0, 2.0]), RankMap()).tolist()
        [1.75, 0.25, 1.0, 1.0]
    """
    numbers = numbers.to(torch.float64)
    if isinstance(weight_map, PowerMap):
        numbers = numbers.clamp(min=0.0)
    known = ~numbers.isnan()
    count = known.sum(-1, keepdim=True).to(torch.float64)
    mean = numbers.nansum(-1, keepdim=True) / count
    deviation = numbers - mean
    spread = (deviation.square().nansum(-1, keepdim=True) / (count - 1.0)).sqrt()
    if isinstance(weight_map, SigmoidMap):
        # A tensor over a tensor: a number over one would be rounded twice, and not as PTW's is.
        steepness = torch.full_like(spread, weight_map.sharpness) / spread
        weights = 2.0 * torch.sigmoid(deviation * steepness)
    elif isinstance(weight_map, PowerMap):
        weights = (numbers / mean) ** weight_map.exponent
    else:
        weights = (2.0 * _ranks(numbers) - 1.0) / count
    decided = known & (count >= 2.0) & (spread > _EQUAL_UP_TO * mean.abs())
    return weights.where(decided, math.nan)


def _ranks(numbers: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows N"]:
    """Mean rank of each number in its row, from 1: how many are smaller, and half the equals."""
    numbers = numbers.nan_to_num(nan=math.inf)  # behind all that are known
    ordered = numbers.sort(-1).values
    smaller = torch.searchsorted(ordered, numbers)
    up_to = torch.searchsorted(ordered, numbers, right=True)
    return (smaller + up_to + 1).to(torch.float64) / 2.0
