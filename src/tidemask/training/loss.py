"""From a masked batch to the model's inputs, and from token losses to a sum.

Dimension: `S` selected positions.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tidemask.batch import IGNORE_INDEX, MaskedBatch
from tidemask.modeling import HEAD_MULTIPLE
from tidemask.token_classes import NO_CLASS


def model_inputs(masked: MaskedBatch, *, num_classes: int) -> dict[str, Tensor]:
    """What a forward pass of `SelectedPositionsLM` and its loss need, as flat tensors.

    The positions are filled up to a multiple of `HEAD_MULTIPLE`, with position 0 and the target
    `IGNORE_INDEX`, whose loss is 0.

    Returns:
        `input_ids` [B, L]; `positions` and `targets` [S and filling]; `classes` [S], where class
        `num_classes` stands for none; `attention_mask` [B, L] and `loss_weight` [S] where there
        are any.
    """
    positions = masked.selected.flatten().nonzero().squeeze(1)
    if masked.token_class is None:
        classes = torch.full_like(positions, num_classes)
    else:
        classes = masked.token_class.flatten()[positions].long()
    targets = masked.labels.flatten()[positions]
    padding = -len(positions) % HEAD_MULTIPLE
    inputs = {
        "input_ids": masked.input_ids,
        "positions": nn.functional.pad(positions, (0, padding)),
        "targets": nn.functional.pad(targets, (0, padding), value=IGNORE_INDEX),
        "classes": torch.where(classes == NO_CLASS, num_classes, classes).clamp(max=num_classes),
    }
    if masked.attention_mask is not None:
        inputs["attention_mask"] = masked.attention_mask
    if masked.loss_weight is not None:
        inputs["loss_weight"] = masked.loss_weight.flatten()[positions]
    return inputs


def weighted_sum(
    token_loss: Float[Tensor, "S"], loss_weight: Float[Tensor, "S"] | None = None
) -> Float[Tensor, ""]:
    """Sum of cross-entropies, each times its weight; 0 through the graph where there are none."""
    return token_loss.sum() if loss_weight is None else (token_loss * loss_weight).sum()


def num_tokens(masked: MaskedBatch) -> int:
    """Tokens of a batch that are not padding, special ones included."""
    mask = masked.attention_mask
    return masked.input_ids.numel() if mask is None else int(mask.sum())
