"""Selection: the positions that are drawn, under either budget.

`expected`: each unit is drawn independently, with an inclusion probability that is known
(`inclusion.py`); one draw and one integer comparison per position. `fixed`: the race is stopped at
the budget itself (`race.py`).

Dimensions: `B` sequences, `L` positions, `K` classes; `K1` is `K + 1`, the last for no class.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Int32, Shaped
from torch import Tensor

from tidemask.masking.bitmask import as_mask, below, below_threshold, negative_thresholds
from tidemask.masking.inclusion import inclusion_and_shortfall
from tidemask.masking.race import clocks, select_fixed

Ratio = float | Float[Tensor, "B 1"]
"""Share of the maskable tokens to select: one number, or one per sequence, float64."""


@dataclass(frozen=True)
class Weights:
    """Weights of units, in [0, 1].

    Attributes:
        values: of each position, equal within a unit, floating point [B, L]; where there are
            `classes`, of each class, float64 [K1].
        some_zero: whether a weight may be 0, so that a budget may have to be capped.
        classes: class of each position's unit in [0, K], `K` for none, int64; or `None`.
    """

    values: Float[Tensor, "*shape"]
    some_zero: bool = False
    classes: Int[Tensor, "B L"] | None = None


@dataclass(frozen=True)
class Selection:
    """The drawn positions, with what the loss and the logs need of the draw.

    Attributes:
        mask: -1 at the drawn positions, 0 elsewhere.
        inclusion: probability with which each position could be drawn, broadcastable to [B, L];
            `None` if it was not asked for.
        shortfall: tokens by which each budget was capped, float64; `None` where weights cannot be
            0.
    """

    mask: Int32[Tensor, "B L"]
    inclusion: Ratio | Float[Tensor, "B L"] | None = None
    shortfall: Float[Tensor, "B 1"] | None = None


def select_expected(
    draws: Int32[Tensor, "B L"],
    maskable: Bool[Tensor, "B L"],
    weights: Weights | None,
    ratio: Ratio,
    *,
    with_inclusion: bool = False,
) -> Selection:
    """Draw units independently, so that the budget is met in expectation.

    Args:
        draws: uniform integers in [0, 2**31), equal within a unit.
        maskable: positions that may be selected.
        weights: of the units; `None` if all are equal.
        ratio: share of maskable tokens to select in expectation, in [0, 1].
        with_inclusion: whether the inclusion probability of each position is wanted.
    """
    if weights is None:
        mask = below(draws, ratio).bitwise_and_(as_mask(maskable))
        return Selection(mask, ratio if with_inclusion else None)
    inclusion, short = inclusion_of_groups(maskable, weights, ratio)
    thresholds = negative_thresholds(inclusion)
    if weights.classes is not None:
        thresholds = thresholds.gather(1, weights.classes)
        inclusion = inclusion.gather(1, weights.classes) if with_inclusion else inclusion
    mask = below_threshold(draws, thresholds).bitwise_and_(as_mask(maskable))
    return Selection(mask, inclusion if with_inclusion else None, short)


def inclusion_of_groups(
    maskable: Bool[Tensor, "B L"], weights: Weights, ratio: Ratio
) -> tuple[Float[Tensor, "B groups"], Float[Tensor, "B 1"] | None]:
    """Inclusion probability of each group of tokens of equal weight; shortfall if there may be one.

    By class, `tau` is solved over a few counts per sequence; else every position is a group.
    """
    groups: Tensor = maskable
    if weights.classes is not None:
        groups = count_by_class(weights.classes, maskable, num_classes=len(weights.values))
    inclusion, short = inclusion_and_shortfall(groups, weights.values, ratio)
    return inclusion, short if weights.some_zero else None


def select_to_budget(
    draws: Int32[Tensor, "B L"],
    maskable: Bool[Tensor, "B L"],
    weights: Weights | None,
    ratio: Ratio,
    crossing: Int32[Tensor, "B 1"],
) -> Selection:
    """Take units in the order of their clocks until the budget is filled.

    Args:
        draws: uniform integers in [0, 2**31), equal within a unit.
        maskable: positions that may be selected.
        weights: of the units; `None` if all are equal.
        ratio: share of maskable tokens to select, in [0, 1].
        crossing: uniform integers in [0, 2**31) that decide about the crossing unit.
    """
    eligible = as_mask(maskable)
    num_maskable = eligible.sum(1, keepdim=True, dtype=torch.int32).neg_()
    budget = num_maskable.to(torch.float64) * ratio
    if weights is None:
        return Selection(select_fixed(draws, eligible, budget, crossing))
    each, short = weights.values, None
    if weights.classes is not None:
        each = looked_up(each, weights.classes)
    if weights.some_zero:
        eligible.bitwise_and_(as_mask(each > 0))
        short = (budget + eligible.sum(1, keepdim=True)).clamp_(min=0.0)
    return Selection(select_fixed(clocks(draws, each), eligible, budget, crossing), shortfall=short)


def looked_up(table: Float[Tensor, "M"], index: Shaped[Tensor, "B L"]) -> Float[Tensor, "B L"]:
    """The entry of a table for each position."""
    return table.index_select(0, index.flatten().to(torch.int64)).view(index.shape)


def count_by_class(
    classes: Int[Tensor, "B L"], maskable: Bool[Tensor, "B L"], *, num_classes: int
) -> Int[Tensor, "B {num_classes}"]:
    """Maskable tokens of each class in each sequence, int32."""
    counts = torch.zeros(classes.shape[0], num_classes, dtype=torch.int32, device=classes.device)
    return counts.scatter_add_(1, classes, maskable.to(torch.int32))
