"""Losses of the fixed maskings of a batch, whatever the recipe.

Tokens are masked uniformly and independently at a fixed ratio, every selected position shows the
mask token, and the draws are fixed by a seed of their own.

Dimensions: `B` sequences, `L` positions, `V` vocabulary entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from tidemask.batches.stream import BatchDataset
from tidemask.masking.batch import HEAD_MULTIPLE, Batch
from tidemask.masking.bitmask import as_bool
from tidemask.masking.noise import Purpose, StepKey, Streams, positions_of
from tidemask.masking.selection import select_expected
from tidemask.masking.vocabulary import Vocabulary
from tidemask.modeling.precision import tf32_products
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.tasks.held_out.sums import MaskedTokens
from tidemask.token_classes import NO_CLASS

_SEED = 20230710
"""Seed of the fixed draws; never the seed of a run."""


def fixed_maskings(
    batch: Batch, vocabulary: Vocabulary, percent: int, num_draws: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Corrupted ids [B, L] and selected positions, bool [B, L], of each fixed draw."""
    positions = positions_of(batch.input_ids)
    for draw in range(num_draws):
        streams = Streams(StepKey(_SEED, draw), batch.sample_ids, [Purpose.HELD_OUT])
        draws = streams.draws(Purpose.HELD_OUT, positions)
        selected = as_bool(select_expected(draws, batch.maskable, None, percent / 100).mask)
        yield batch.input_ids.masked_fill(selected, vocabulary.mask_id), selected


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


def unigram_entropy(dataset: BatchDataset) -> float:
    """Entropy of the maskable tokens of the whole split, nats: the best loss without context."""
    counts = dataset.token_counts().numpy()
    share = counts[counts > 0] / max(1, counts.sum())
    return float(-(share * np.log(share)).sum())
