"""The race: weighted sampling without replacement, stopped at the budget itself.

Every unit has an exponential clock; units are taken in the order in which their clocks ring, until
their tokens fill the budget. The unit that crosses the budget is kept with probability
`remaining / size`, none is skipped for its length. So the expected number of selected tokens is
exactly the budget and its variance is that of the last unit alone; the price is a bias against
long units, which are more often the crossing one.

Nothing is sorted: the clock at which the budget is reached is found digit by digit, with one
histogram of each sequence per eight bits (a radix selection), on any device and without looking at
a value on the host.

Dimensions: `B` sequences, `L` positions.

References:
    Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006), for the order;
    docs/methods/budgets.md for the crossing unit.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from tidemask.masking.bitmask import as_mask, equal_to
from tidemask.masking.noise import DRAW_BITS

_DIGIT_BITS = 8
_DIGITS = 1 << _DIGIT_BITS
_NEAREST_TO_ONE = 1.0 - 2.0**-24


def clocks(draws: Int32[Tensor, "B L"], weights: Float[Tensor, "B L"]) -> Int32[Tensor, "B L"]:
    """When each position's unit rings, as integers in the order of the times.

    The time is exponential with the weight as its rate, `-log(1 - u) / W`. Positive floating-point
    numbers are ordered as their bits are, so the bits of the float32 time serve as the clock. Where
    all weights are alike, the draws themselves do.

    Args:
        draws: uniform integers in [0, 2**31), equal within a unit.
        weights: not negative, equal within a unit.
    """
    # The middle of each interval of 2**-31, but below 1, where the time would be infinite.
    uniform = (draws.to(torch.float32) + 0.5).mul_(2.0**-DRAW_BITS).clamp_(max=_NEAREST_TO_ONE)
    times = torch.log1p(uniform.neg_()).neg_().div_(weights.to(torch.float32))
    return times.view(torch.int32)


def select_fixed(
    clock: Int32[Tensor, "B L"],
    eligible: Int32[Tensor, "B L"],
    budget: Float[Tensor, "B 1"],
    crossing: Int32[Tensor, "B 1"],
) -> Int32[Tensor, "B L"]:
    """Mask of the positions whose units are taken before the budget is filled.

    Two units of a sequence with equal clocks count as one: one pair in 2**31 where all weights are
    alike, about one in 2**24 where they differ and times are float32.

    Args:
        clock: integers in [0, 2**31), equal within a unit; see `clocks`.
        eligible: mask of the positions that may be selected.
        budget: tokens to select in each sequence, float64, at least 0; more than there are means
            all.
        crossing: uniform integers in [0, 2**31) that decide about the crossing unit.

    Returns:
        A mask, 0 or -1.
    """
    budget = budget.minimum(eligible.sum(1, keepdim=True, dtype=torch.int32).neg_())
    last, before, size = _crossing(clock, eligible, budget)
    # The crossing unit stays with the probability that makes the expected number the budget.
    keep = (budget - before) / size.clamp(min=1.0) * 2.0**DRAW_BITS
    stays = as_mask(crossing.to(torch.float64) < keep)
    earlier = (clock - last).bitwise_right_shift_(31)
    return earlier.bitwise_or_(equal_to(clock, last).bitwise_and_(stays)).bitwise_and_(eligible)


def _crossing(clock: Tensor, eligible: Tensor, budget: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the unit with which each sequence's budget is reached, by radix selection.

    Returns:
        Its clock, int32 [B, 1], the number of tokens before it and its own, float64 [B, 1].
    """
    # From the highest digit (8 bits) to the lowest: count the tokens of each value of this digit
    # among those whose higher digits are the prefix found so far; the digit at which the running
    # count reaches the budget is the next of the crossing clock. Tokens with smaller digits are
    # before it and are added up. After the lowest digit, equal clocks are one unit.
    num_sequences = clock.shape[0]
    prefix = torch.zeros(num_sequences, 1, dtype=torch.int32, device=clock.device)
    before = torch.zeros_like(budget)
    inside = eligible.neg()
    size = before
    for shift in range(DRAW_BITS - DRAW_BITS % _DIGIT_BITS, -1, -_DIGIT_BITS):
        digits = clock >> shift
        if shift + _DIGIT_BITS < DRAW_BITS:
            inside = equal_to(digits >> _DIGIT_BITS, prefix).bitwise_and_(eligible).neg_()
        counts = torch.zeros(num_sequences, _DIGITS, dtype=torch.int32, device=clock.device)
        counts.scatter_add_(1, (digits & (_DIGITS - 1)).to(torch.int64), inside)
        reached = before + counts.cumsum(1, dtype=torch.int64)
        digit = (reached < budget).sum(1, keepdim=True).clamp_(max=_DIGITS - 1)
        size = counts.gather(1, digit).to(torch.float64)
        before = reached.gather(1, digit) - size
        prefix = (prefix << _DIGIT_BITS) | digit.to(torch.int32)
    return prefix, before, size
