"""Weights of classes and of vocabulary entries, and how they blend in.

Dimensions: `K` classes, `V` vocabulary entries.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

_EQUAL_UP_TO = 1e-9
"""Relative spread below which losses differ by rounding alone."""


NEUTRAL_WEIGHT = 0.5
"""Weight by loss of tokens without class and of classes not yet seen; the sigmoid's middle."""


def blended(weights: Float[Tensor, "*shape"], blend: float, *, neutral: float) -> Tensor:
    """`(1 - blend) neutral + blend weights`."""
    return weights if blend == 1.0 else (1.0 - blend) * neutral + blend * weights


def class_loss_weights(class_loss: Float[Tensor, "K"], *, sharpness: float) -> Float[Tensor, "K"]:
    """Weight of each class from its cumulative loss.

    `W[k] = sigmoid(sharpness (L[k] - mean(L)) / std(L))` with mean and sample standard deviation
    over the classes seen so far.

    Args:
        class_loss: nats per token; NaN for a class not yet seen.
        sharpness: `beta`, at least 0.

    Returns:
        Weights in (0, 1), float64; NaN where losses do not decide: for a class not yet seen, and
        for all of them if fewer than two are seen or none differs.

    References:
        Yang, Zhang, Zhao 2023, section 4.2, equation for `W`. Deviation: standardised over seen
        classes; docs/methods/pos-tagging-weighted-masking.md.
    """
    class_loss = class_loss.to(torch.float64)
    num_seen = class_loss.numel() - int(torch.isnan(class_loss).sum())
    undecided = torch.full_like(class_loss, torch.nan)
    if num_seen < 2:
        return undecided
    mean = float(class_loss.nansum()) / num_seen
    deviation = class_loss - mean
    spread = math.sqrt(float(deviation.square().nansum()) / (num_seen - 1))
    if not spread > _EQUAL_UP_TO * abs(mean):
        return undecided
    return torch.sigmoid(deviation * (sharpness / spread))


def frequency_weights(
    token_counts: Int[Tensor, "V"], *, power: float, least_count: int
) -> Float[Tensor, "V"]:
    """Weight of each vocabulary entry, `max(count, least_count) ** -power`, times a constant.

    The constant makes the mean weight of the corpus' tokens 1.

    Args:
        token_counts: how often each entry occurs in the corpus, at least 0.
        power: exponent, at least 0.
        least_count: counts below it count as it, at least 1.

    Returns:
        Weights above 0, float64.

    Raises:
        ValueError: the exponent is so large that a weight is 0.

    References:
        Zhang et al., "Weighted Sampling for Masked Language Modeling" (ICASSP 2023).
    """
    counts = token_counts.to(torch.float64)
    weights = counts.clamp(min=float(least_count)) ** -power
    if not bool((weights > 0).all()):
        raise ValueError(
            f"power={power:g} makes the weight of the most frequent entry 0 "
            f"({int(counts.max())} times in the corpus). Expected a smaller exponent."
        )
    mean = (counts * weights).sum() / counts.sum().clamp(min=1.0)
    return weights / mean if float(mean) > 0 else weights
