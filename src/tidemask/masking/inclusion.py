"""Inclusion probabilities: from weights and a budget to the chance of each unit.

Units are drawn independently, each with probability `pi = 1 - exp(-W tau)`, where `W` is its weight
and `tau` solves, for each sequence, `sum of size x pi = ratio x n`. That is weighted sampling
without replacement by exponential clocks, stopped at the time at which the expected number of
masked tokens is the budget: exact in expectation for each sequence, and independent of a unit's
length.

Dimensions: `B` sequences, `M` groups of tokens of equal weight (classes, or positions).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

MODERATE_SPREAD = 1e4
"""Quotient of the largest and the smallest weight up to which float32 suffices."""

_ITERATIONS = 16
"""Maximum number of Newton steps. Eight reach float64 precision on weights a factor of 1e4 apart;
with sixteen the budget is off by less than a tenth of a token at the tests' factors up to 1e25."""

_TINY = torch.finfo(torch.float64).tiny


def inclusion_and_shortfall(
    num_tokens: Shaped[Tensor, "B M"],
    weights: Float[Tensor, "#B M"] | Float[Tensor, "M"],
    ratio: float | Float[Tensor, "B 1"],
) -> tuple[Float[Tensor, "B M"], Float[Tensor, "B 1"]]:
    """Inclusion probability of each group of tokens in each sequence, `1 - exp(-W tau)`.

    `tau` is found by Newton's method on `h(tau) = -log(mean over tokens of exp(-W tau))`, which is
    concave and increases from 0, so that from `-log(1 - ratio) / mean(W)`, never right of the
    solution, the iteration rises to it without overshooting. Tokens of weight 0 are never selected;
    where they leave fewer than the budget, all the others are.

    Args:
        num_tokens: maskable tokens of each group; integers or booleans.
        weights: of each group, not negative and finite; not checked here. In float32, which is
            quicker, the budget is met to 1e-5 of all tokens if no two weights above 0 differ by
            more than `MODERATE_SPREAD`.
        ratio: share of all maskable tokens to select in expectation, in [0, 1]; one for all, or
            one per sequence, float64.

    Returns:
        The probabilities, in [0, 1], of the dtype of the weights: `(num_tokens * result).sum(1) =
        ratio * num_tokens.sum(1)`, but where the budget is capped; and the tokens by which it is
        capped in each sequence because too few have a weight above 0, float64.
    """
    # Tokens of weight 0 are left out: the others have to meet the budget, as far as they can.
    eligible = num_tokens * (weights > 0)
    num_eligible, budget = _summed(eligible), ratio * _summed(num_tokens)
    short = (budget - num_eligible).clamp_(min=0.0)
    num_eligible.clamp_(min=1.0)
    target = (budget / num_eligible).clamp_(max=1.0)
    goal = -torch.log1p(-target).clamp_(min=math.log(_TINY))
    share = eligible.to(weights.dtype).div_(num_eligible.to(weights.dtype))
    total = _summed(share * weights)
    tau = torch.where(total > 0, goal / total, 0.0)
    # Newton: with the mean survival `s = sum of share x exp(-W tau)`, `h = -log s`, `h' = -s'/s`,
    # so the step `(goal - h) / h'` is `(goal + log s) s / sum of share x W x exp(-W tau)`. It
    # converges quadratically: after a relative change below the cube root of the precision, the
    # error is below the precision.
    may_stop = not tau.is_cuda  # on a GPU, reading a value would wait for the device
    small = (4.0 * torch.finfo(weights.dtype).eps) ** (1.0 / 3.0)
    moving = (total > 0).to(torch.float64)  # a row's steps end by its own error alone
    for _ in range(_ITERATIONS):
        survival = (weights * -tau.to(weights.dtype)).exp_().mul_(share)
        remaining = _summed(survival).clamp_(min=_TINY)
        slope = _summed(survival.mul_(weights)).clamp_(min=_TINY)
        change = torch.log(remaining).add_(goal).mul_(remaining).div_(slope).mul_(moving)
        tau.add_(change)
        if may_stop and not bool(moving.mul_(change > small * tau).any()):
            break
    probability = (weights * -tau.clamp_(min=0.0).to(weights.dtype)).expm1_().neg_()
    takes_all = target >= 1.0
    if not may_stop or bool(takes_all.any()):
        probability = torch.where(takes_all, (weights > 0).to(weights.dtype), probability)
    return probability, short


def _summed(values: Tensor) -> Tensor:
    """Row sums, float64 [B, 1]."""
    return values.sum(1, keepdim=True).to(torch.float64)
