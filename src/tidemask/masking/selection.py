"""Selection: which positions are to be predicted, with known inclusion probability.

Under the budget `expected`, each unit is drawn independently with probability
`pi[k] = 1 - exp(-W[k] tau)`, where `W[k]` is the weight of its class and `tau` solves, for each
sequence, `sum over classes of tokens[k] pi[k] = ratio * n`. That is weighted sampling without
replacement by exponential clocks, stopped at the time at which the expected number of masked tokens
is the budget: exact in expectation for each sequence, independent of a unit's length, and only a
count per class and one integer comparison per token.

Dimensions: `B` sequences, `L` positions, `K` classes; `K1` is `K + 1`, the last for no class.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tidemask.noise import BITS

_ITERATIONS = 16
"""Newton steps for `tau`. Eight reach float64 precision on weights a factor of 1e4 apart; with
sixteen the budget is off by less than a thousandth of a token on a factor of 1e25."""


def select_uniform(
    bits: Int[Tensor, "B L"], maskable: Bool[Tensor, "B L"], ratio: float
) -> Bool[Tensor, "B L"]:
    """Positions whose unit is drawn when every unit is drawn with probability `ratio`.

    Args:
        bits: uniform integers in [0, 2**32), equal within a unit.
        maskable: positions that may be selected.
        ratio: share of maskable tokens to select in expectation, in [0, 1].
    """
    drawn: Tensor = bits < round(ratio * 2**BITS)
    return drawn & maskable


def select_by_class(
    bits: Int[Tensor, "B L"],
    maskable: Bool[Tensor, "B L"],
    classes: Int[Tensor, "B L"],
    weights: Float[Tensor, "K1"],
    ratio: float,
) -> Bool[Tensor, "B L"]:
    """Positions whose unit is drawn when classes are drawn in proportion to their weights.

    Args:
        bits: uniform integers in [0, 2**32), equal within a unit.
        maskable: positions that may be selected.
        classes: class of each position's unit in [0, K]; `K` for none.
        weights: not negative, float64; the last entry is for units without class.
        ratio: share of maskable tokens to select in expectation, in [0, 1].
    """
    num_tokens = count_by_class(classes, maskable, num_classes=weights.shape[0])
    probability = inclusion_probability(num_tokens, weights, ratio)
    thresholds = torch.round(probability * 2.0**BITS).to(torch.int64)
    return (bits < thresholds.gather(1, classes)) & maskable


def count_by_class(
    classes: Int[Tensor, "B L"], maskable: Bool[Tensor, "B L"], *, num_classes: int
) -> Int[Tensor, "B K1"]:
    """Maskable tokens of each class in each sequence, int64."""
    num_sequences = classes.shape[0]
    counts = torch.zeros(num_sequences, num_classes, dtype=torch.int64, device=classes.device)
    return counts.scatter_add_(1, classes, maskable.to(torch.int64))


def inclusion_probability(
    num_tokens: Int[Tensor, "B K1"], weights: Float[Tensor, "K1"], ratio: float
) -> Float[Tensor, "B K1"]:
    """Inclusion probability of each class in each sequence: `1 - exp(-W tau)`.

    `tau` is found by Newton's method on `h(tau) = -log(mean over tokens of exp(-W tau))`, which is
    concave and increases from 0, so that from `-log(1 - ratio) / mean(W)`, never right of the
    solution, the iteration rises to it without overshooting. Classes of weight 0 are never
    selected; where they leave fewer tokens than the budget, all the others are.

    Args:
        num_tokens: maskable tokens per class and sequence.
        weights: not negative, float64.
        ratio: share of all maskable tokens to select in expectation, in [0, 1].

    Returns:
        float64 in [0, 1]; `(num_tokens * result).sum(1) = ratio * num_tokens.sum(1)`.

    Raises:
        ValueError: a weight is negative or not finite, or none is positive.
    """
    _check_weights(weights)
    tokens = num_tokens.to(torch.float64)
    eligible = tokens * (weights > 0)
    num_eligible = eligible.sum(1, keepdim=True).clamp(min=1.0)
    share = eligible / num_eligible
    target = (ratio * tokens.sum(1, keepdim=True) / num_eligible).clamp(max=1.0)
    goal = -torch.log1p(-target)
    bounded = goal.clamp(max=-math.log(torch.finfo(torch.float64).tiny))
    tau = bounded / (share * weights).sum(1, keepdim=True).clamp(
        min=torch.finfo(torch.float64).tiny
    )
    for _ in range(_ITERATIONS):
        survival = share * torch.exp(-weights * tau)
        remaining = survival.sum(1, keepdim=True)
        slope = (weights * survival).sum(1, keepdim=True) / remaining
        tau = tau + (bounded + torch.log(remaining)) / slope
    probability = -torch.expm1(-weights * tau.clamp(min=0.0))
    everything = (weights > 0).to(torch.float64).expand_as(probability)
    probability = torch.where(target >= 1.0, everything, probability)
    return torch.where(
        num_eligible * share.sum(1, keepdim=True) > 0, probability, everything * ratio
    )


def _check_weights(weights: Tensor) -> None:
    if not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()):
        raise ValueError(f"weights={weights.tolist()}. Expected finite numbers of at least 0.")
    if not bool((weights > 0).any()):
        raise ValueError(f"weights={weights.tolist()}. Expected at least one above 0.")
