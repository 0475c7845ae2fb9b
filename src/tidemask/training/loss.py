"""From a masked batch to the model's inputs, and from token losses to a sum.

Dimensions: `S` selected positions, `K` classes.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from tidemask.masking.batch import HEAD_MULTIPLE, IGNORE_INDEX, MaskedBatch
from tidemask.token_classes import NO_CLASS


def model_inputs(masked: MaskedBatch, *, num_classes: int, num_selected: int) -> dict[str, Tensor]:
    """What a forward pass of `SelectedPositionsLM` and its loss need, as flat tensors.

    The positions are filled up to a multiple of `HEAD_MULTIPLE`, at least one, with position 0 and
    the target `IGNORE_INDEX`, whose loss is 0.

    Args:
        masked: on the training device.
        num_classes: `K`.
        num_selected: how many positions are selected; the host knows it, so nothing waits.

    Returns:
        `input_ids` [B, L]; `positions` and `targets` [S and filling]; `classes` [S], where class
        `num_classes` stands for none; `attention_mask` [B, L] and `loss_weight` [S] where there
        are any.
    """
    num_rows = max(1, -(-num_selected // HEAD_MULTIPLE)) * HEAD_MULTIPLE
    selected = masked.selected.flatten()
    positions = torch.nonzero_static(selected, size=num_rows, fill_value=0).squeeze(1)
    targets = masked.labels.flatten()[positions].long()
    targets[num_selected:] = IGNORE_INDEX
    chosen = positions[:num_selected]
    if masked.token_class is None:
        classes = torch.full_like(chosen, num_classes)
    else:
        classes = masked.token_class.flatten()[chosen].long()
        classes = torch.where(classes == NO_CLASS, num_classes, classes).clamp(max=num_classes)
    inputs = {
        "input_ids": masked.input_ids,
        "positions": positions,
        "targets": targets,
        "classes": classes,
    }
    if masked.attention_mask is not None:
        inputs["attention_mask"] = masked.attention_mask
    if masked.loss_weight is not None:
        inputs["loss_weight"] = masked.loss_weight.flatten()[chosen]
    return inputs


def weighted_sum(
    token_loss: Float[Tensor, "S"], loss_weight: Float[Tensor, "S"] | None = None
) -> Float[Tensor, ""]:
    """Sum of cross-entropies, each times its weight; 0 through the graph where there are none."""
    return token_loss.sum() if loss_weight is None else (token_loss * loss_weight).sum()
