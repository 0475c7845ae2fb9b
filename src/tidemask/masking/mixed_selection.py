"""Selection under several weights at once: by the mean of the chances that a unit has under each.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from jaxtyping import Bool, Int, Int32
from torch import Tensor

from tidemask.masking.bitmask import as_mask, below_threshold, negative_thresholds
from tidemask.masking.selection import (
    Ratio,
    Selection,
    Weights,
    inclusion_of_groups,
    select_expected,
)

SharedWeights = tuple[float, Weights | None]
"""A share of the budget, above 0, and the weights by which it is spent; `None` if all are equal."""


def select_mixture(
    draws: Int32[Tensor, "B L"],
    maskable: Bool[Tensor, "B L"],
    parts: Sequence[SharedWeights],
    ratio: Ratio,
    *,
    with_inclusion: bool = False,
) -> Selection:
    """Draw units independently, with the share-weighted mean of their chances under each part.

    Every part meets the budget in expectation, so their mean does. One draw of a unit is compared
    with the mean: which part it is due to is not drawn.

    Args:
        draws: uniform integers in [0, 2**31), equal within a unit.
        maskable: positions that may be selected.
        parts: at least one; their shares add up to 1.
        ratio: share of maskable tokens to select in expectation, in [0, 1].
        with_inclusion: whether the inclusion probability of each position is wanted.
    """
    if all(weights is None for _, weights in parts):
        return select_expected(draws, maskable, None, ratio, with_inclusion=with_inclusion)
    classes = _common_classes(parts)
    chances: list[Ratio | Tensor] = []
    shortfalls: list[Tensor] = []
    for share, weights in parts:
        if weights is None:
            chances.append(ratio * share)
            continue
        inclusion, capped = inclusion_of_groups(maskable, weights, ratio)
        chance = inclusion.to(torch.float64) * share
        if weights.classes is not None and classes is None:
            chance = chance.gather(1, weights.classes)
        chances.append(chance)
        if capped is not None:
            shortfalls.append(capped * share)
    mean = reduce(add, chances)
    assert isinstance(mean, Tensor), "a part has weights"
    mean = mean.clamp(max=1.0)  # shares may add up to a little more than 1, as numbers are rounded
    thresholds = negative_thresholds(mean)
    if classes is not None:
        thresholds = thresholds.gather(1, classes)
        mean = mean.gather(1, classes) if with_inclusion else mean
    mask = below_threshold(draws, thresholds).bitwise_and_(as_mask(maskable))
    short = reduce(add, shortfalls) if shortfalls else None
    return Selection(mask, mean if with_inclusion else None, short)


def _common_classes(parts: Sequence[SharedWeights]) -> Int[Tensor, "B L"] | None:
    """The classes by which all parts with weights weight; `None` if there are no such.

    Then chances are mixed by class, of which there are few, and looked up once.
    """
    found = [weights.classes for _, weights in parts if weights is not None]
    first = found[0] if found else None
    return first if all(classes is first for classes in found) else None
