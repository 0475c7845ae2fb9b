"""Comparison and choice as integer arithmetic on masks, whose elements are 0 or -1: no bit or all.

On a CPU, `torch.where` and comparisons take several times as long as a vectorised integer operation
of the same size, and masking does little else. With masks, `m & x` is `x` or 0,
`((a ^ b) & m) ^ b` is `a` or `b`, and the sign of a difference, shifted to every bit, is a
comparison.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor

from tidemask.masking.noise import DRAW_BITS


def below(
    draws: Int32[Tensor, "*shape"], share: float | Float[Tensor, "..."]
) -> Int32[Tensor, "*shape"]:
    """Mask of the draws that fall into the lowest `share` of their range.

    Args:
        draws: uniform integers in [0, 2**31).
        share: in [0, 1], rounded to a multiple of 2**-31; one number, or a tensor that broadcasts.
    """
    if isinstance(share, Tensor):
        return below_threshold(draws, negative_thresholds(share))
    return below_threshold(draws, -round(share * 2**DRAW_BITS))


def below_threshold(
    draws: Int32[Tensor, "*shape"], negative_threshold: Int32[Tensor, "..."] | int
) -> Int32[Tensor, "*shape"]:
    """Mask of the draws below a threshold, given as its negative.

    A draw is below `t` if `draw - t` is negative. Minus 2**31, for a share of 1, fits an int32 as
    2**31 would not, and the sum never overflows.
    """
    difference: Tensor = draws + negative_threshold
    # An arithmetic shift by 31 copies the sign to every bit: -1 if negative, else 0.
    return difference.bitwise_right_shift_(31)


def negative_thresholds(share: Tensor) -> Int32[Tensor, "..."]:
    """Thresholds of shares, as `below_threshold` adds them to draws: minus the share of 2**31.

    Args:
        share: floating point, in [0, 1].
    """
    return (share.to(torch.float64) * -(2.0**DRAW_BITS)).round_().to(torch.int32)


def equal_to(these: Int32[Tensor, "B L"], others: Int32[Tensor, "B #L"]) -> Int32[Tensor, "B L"]:
    """Mask of the places where two tensors are equal; their numbers are not negative."""
    # The XOR is 0 where they are equal and positive elsewhere, so XOR - 1 is negative only there.
    difference: Tensor = these ^ others
    return difference.sub_(1).bitwise_right_shift_(31)


def as_mask(condition: Bool[Tensor, "*shape"]) -> Int32[Tensor, "*shape"]:
    """-1 where true, 0 where false."""
    return condition.view(torch.int8).to(torch.int32).neg_()


def as_bool(mask: Int[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
    """True where the mask is -1."""
    return mask.to(torch.int8).neg_().view(torch.bool)


def where_mask(
    mask: Int[Tensor, "*#shape"],
    these: Int[Tensor, "*shape"] | int,
    others: Int[Tensor, "*shape"] | int,
) -> Int[Tensor, "*shape"]:
    """`these` where the mask is -1, `others` elsewhere.

    Args:
        mask: of the dtype of the result; it may have one column for all of a row.
        these: a tensor, or one number.
        others: a number if `these` is a tensor, else a tensor.
    """
    # others ^ (these ^ others) is these again: the mask lets the difference through or not.
    difference = these ^ others
    assert isinstance(difference, Tensor), "one of them is a tensor"
    return difference.bitwise_and_(mask).bitwise_xor_(others)
