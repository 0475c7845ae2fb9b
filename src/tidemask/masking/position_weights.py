"""The weights of a batch's single positions, and their means within units.

Weights of positions come from a column of the corpus, from a function of the user's, or from scores
of the model. They are scaled so that the largest of each sequence is 1, as only quotients matter.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.columns import weights_in
from tidemask.masking.learned_weighting import ByModelScore
from tidemask.masking.selection import Weights
from tidemask.masking.weight_maps import mapped
from tidemask.masking.weights import blended
from tidemask.settings import shown
from tidemask.token_classes import TokenColumn

WeightOf = Callable[[Batch], Tensor]
"""Weight of each position of a batch: floating point [B, L], finite and at least 0. A pure function
of each sequence, or a sequence's mask depends on the other sequences of its batch."""


def weights_by_position(
    weights: Float[Tensor, "B L"],
    maskable: Bool[Tensor, "B L"],
    starts: Int32[Tensor, "B L"] | None,
    *,
    some_zero: bool,
) -> Weights:
    """Weights of units as the mean weight of their maskable tokens.

    Args:
        weights: of each position; float32 if they differ moderately, else float64.
        maskable: which positions count; the weights of others are not read.
        starts: start of each position's unit; `None` if each is its own.
        some_zero: whether a weight may be 0.
    """
    if starts is None:
        return Weights(weights, some_zero)
    index = starts.to(torch.int64)
    zeros = torch.zeros_like(weights)
    total = zeros.scatter_add(1, index, torch.where(maskable, weights, 0.0))
    count = zeros.scatter_add_(1, index, maskable.to(weights.dtype)).clamp_(min=1.0)
    return Weights(total.div_(count).gather(1, index), some_zero)


def weights_by_function(batch: Batch, weight_of: WeightOf, *, blend: float) -> Float[Tensor, "B L"]:
    """What a user's function returns, checked, blended in and scaled to a largest weight of 1.

    Raises:
        ValueError: another shape than the ids, or a weight of a maskable token that is negative or
            not finite.
    """
    weights = weight_of(batch)
    if not isinstance(weights, Tensor):
        raise ValueError(f"weights={shown(weights)} from weight_of. Expected a tensor.")
    if weights.shape != batch.input_ids.shape:
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} from weight_of. "
            f"Expected {tuple(batch.input_ids.shape)}, the shape of input_ids."
        )
    wrong = batch.maskable & ~((weights >= 0) & torch.isfinite(weights))
    if bool(wrong.any()):
        row, position = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"weights[{row}, {position}]={float(weights[row, position]):g} from weight_of. "
            "Expected finite weights of at least 0."
        )
    weights = blended(weights.to(torch.float64), blend, neutral=1.0)
    return _scaled_rows(weights.masked_fill(~batch.maskable, 0.0))


def weights_by_column(batch: Batch, column: TokenColumn, *, blend: float) -> Float[Tensor, "B L"]:
    """What a column of weights has, checked, blended in and scaled to a largest weight of 1.

    Raises:
        ValueError: as `weights_in`.
    """
    weights = weights_in(batch, column).to(torch.float64)
    if blend != 1.0:
        num_maskable = batch.maskable.sum(1, keepdim=True).clamp(min=1)
        mean = weights.sum(1, keepdim=True) / num_maskable
        weights = (blend * weights + (1.0 - blend) * mean).masked_fill(~batch.maskable, 0.0)
    return _scaled_rows(weights)


def weights_by_score(
    batch: Batch, scores: Float[Tensor, "B L"], content: ByModelScore, *, blend: float
) -> Float[Tensor, "B L"]:
    """Weights of positions among the maskable ones of their sequence, scaled to a largest of 1.

    Raises:
        ValueError: scores of another shape than the ids.
    """
    if not isinstance(scores, Tensor) or scores.shape != batch.input_ids.shape:
        seen = tuple(scores.shape) if isinstance(scores, Tensor) else shown(scores)
        raise ValueError(
            f"scores={seen}. Expected a tensor of shape {tuple(batch.input_ids.shape)}, that of "
            "input_ids."
        )
    known = scores.to(torch.float64).masked_fill(~batch.maskable, torch.nan)
    weights = mapped(known, content.mapping).nan_to_num(nan=1.0).clamp(min=content.floor)
    weights = blended(weights, blend, neutral=1.0)
    return _scaled_rows(weights.masked_fill(~batch.maskable, 0.0))


def _scaled_rows(weights: Float[Tensor, "B L"]) -> Float[Tensor, "B L"]:
    """Each row with a largest weight of 1, for only quotients matter."""
    if not weights.numel():
        return weights
    largest = weights.amax(1, keepdim=True)  # a weight of 1e-320 is a weight
    return weights / torch.where(largest > 0, largest, 1.0)
