"""Losses of a model on the masked tokens of a batch.

Dimensions: `B` sequences, `L` positions, `V` vocabulary entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from tidemask.masking.batch import HEAD_MULTIPLE, Batch
from tidemask.modeling.precision import tf32_products
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.tasks.held_out.sums import MaskedTokens
from tidemask.token_classes import NO_CLASS


def masked_tokens(
    model: SelectedPositionsLM,
    batch: Batch,
    bands: Int[Tensor, "V"] | None,
    inputs: Int[Tensor, "B L"],
    selected: Bool[Tensor, "B L"],
) -> MaskedTokens:
    """The tokens that a masking of a batch selects, in their order, with the model's losses.

    Args:
        model: in evaluation mode.
        batch: uncorrupted, on the model's device.
        bands: band of each vocabulary entry, as `frequency_bands` gives them, or `None`.
        inputs: corrupted ids.
        selected: the positions that are predicted.
    """
    positions = selected.flatten().nonzero().squeeze(1)
    filled = torch.nn.functional.pad(positions, (0, -len(positions) % HEAD_MULTIPLE))
    targets = batch.input_ids.flatten()[filled]
    # A plain call would compile a model that was compiled for training once more, for evaluation;
    # `forward` would skip the hooks that gather the shards of a sharded model.
    loss: Tensor = model._call_impl(  # type: ignore[no-untyped-call]
        inputs, filled, targets, batch.attention_mask
    )[: len(positions)]
    if batch.token_class is None:
        classes = torch.full_like(positions, NO_CLASS)
    else:
        classes = batch.token_class.flatten()[positions].long()
    return MaskedTokens(
        loss=loss.double().cpu(),
        token_class=classes.cpu(),
        band=None if bands is None else bands[targets[: len(positions)].cpu()],
        sequence=(positions // inputs.shape[1]).cpu(),
    )


@contextmanager
def evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """Turn off dropout, the autocast that Accelerate puts around `forward`, and TF32.

    Models before and after training are measured in float32, so those within it are, too.
    """
    was_training = model.training
    model.eval()
    # Accelerate's wrapper is an attribute of the instance; without it, the method is found.
    autocast_forward = model.__dict__.pop("forward", None)
    try:
        with tf32_products(False):
            yield
    finally:
        if autocast_forward is not None:
            model.__dict__["forward"] = autocast_forward
        model.train(was_training)
