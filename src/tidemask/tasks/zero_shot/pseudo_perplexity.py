"""Pseudo-perplexity on a fixed sample of held-out text: held-out loss where one token is masked.

The sample is evenly spaced rows of the held-out split, and in each row evenly spaced tokens. It
follows from the corpus alone, so every model and checkpoint is measured on the same. Each token
makes one copy of its row in which it alone shows the mask token: the limit of held-out loss for a
masking ratio of zero.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tidemask.batches.stream import BatchDataset
from tidemask.errors import UserError
from tidemask.masking.batch import Batch
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.progress import ProgressCallback, ignore
from tidemask.settings import Settings, check_at_least
from tidemask.tasks.zero_shot.scoring import Floats, positions_at_once

PSEUDO_PERPLEXITY = "pseudo-perplexity"
"""Name of the task."""

_ROWS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class PseudoPerplexitySettings(Settings):
    """The sample of held-out text; the same for every model."""

    sequences: int = 512
    """Rows of the held-out split, evenly spaced; 0 takes all."""
    tokens_per_sequence: int = 4
    """Tokens of each row, evenly spaced; 0 takes all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("sequences", "tokens_per_sequence"):
            check_at_least(name, getattr(self, name), 0)


@torch.inference_mode()
def pseudo_perplexity_metrics(
    model: SelectedPositionsLM,
    dataset: BatchDataset,
    mask_id: int,
    settings: PseudoPerplexitySettings | None = None,
    on_progress: ProgressCallback = ignore,
) -> dict[str, float]:
    """Mean loss of one masked token, and its exponential.

    Args:
        model: on its device; it is put into evaluation mode.
        dataset: the held-out split in stored order.
        mask_id: id of the mask token.
        settings: the sample.
        on_progress: called with the name of the task, the rows measured and their number.

    Returns:
        `pseudo_perplexity`; `loss`, nats per token, whose exponential it is; the standard error of
        each, with rows as the units of sampling; `num_tokens` and `num_sequences`.

    Raises:
        UserError: the split has no token, or the loss is not finite.
    """
    settings = settings or PseudoPerplexitySettings()
    model.eval()
    device = next(model.parameters()).device
    rows = _middles_of_shares(len(dataset.split), settings.sequences).tolist()
    loss, row_of_loss = [], []
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        batch = dataset.__getitems__(rows[begin : begin + _ROWS_AT_ONCE])
        row, place = _sample(batch.maskable, settings.tokens_per_sequence)
        losses = _losses(model, batch.to(device), row.to(device), place.to(device), mask_id)
        loss.append(losses.double().cpu().numpy())
        row_of_loss.append(begin + row.numpy())
        on_progress(PSEUDO_PERPLEXITY, begin + len(batch.sample_ids), len(rows))
    if not sum(map(len, loss)):
        raise UserError("no held-out text: the split has no token. Prepare a corpus with some.")
    return _metrics(np.concatenate(loss), np.concatenate(row_of_loss))


def _sample(maskable: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """Row and place of each sampled token, int64."""
    rows, places = [], []
    for row, here in enumerate(maskable):
        tokens = here.nonzero().squeeze(1)
        chosen = tokens[torch.from_numpy(_middles_of_shares(len(tokens), wanted))]
        places.append(chosen)
        rows.append(torch.full_like(chosen, row))
    return torch.cat(rows), torch.cat(places)


def _losses(
    model: SelectedPositionsLM, batch: Batch, rows: Tensor, places: Tensor, mask_id: int
) -> Tensor:
    """Loss of each token with it alone masked, nats."""
    found = [places.new_empty(0, dtype=torch.float32)]
    length = batch.input_ids.shape[1]
    step = max(1, positions_at_once(places.device) // length)
    for begin in range(0, len(places), step):
        row, place = rows[begin : begin + step], places[begin : begin + step]
        inputs = batch.input_ids[row]
        copies = torch.arange(len(row), device=row.device)
        inputs[copies, place] = mask_id
        mask = None if batch.attention_mask is None else batch.attention_mask[row]
        targets = batch.input_ids[row, place]
        found.append(model(inputs, copies * length + place, targets, mask))
    return torch.cat(found)


def _metrics(loss: Floats, row: NDArray[np.int64]) -> dict[str, float]:
    """Metrics by name, from each token's loss and row."""
    mean = float(loss.mean())
    if not mean < math.log(sys.float_info.max):  # infinite, NaN, or so large that its power is
        raise UserError(
            f"pseudo-perplexity is not finite: loss={mean}. The weights are damaged, or the "
            "training diverged. Measure an earlier checkpoint."
        )
    # The tokens of a row are not independent, so the standard error comes from each row's sum of
    # deviations (nearly the jackknife over rows); that of the exponential by the derivative.
    deviations = np.bincount(row, weights=loss - mean)
    error = float(np.sqrt((deviations**2).sum())) / len(loss)
    perplexity = math.exp(mean)
    return {
        "pseudo_perplexity": perplexity,
        "pseudo_perplexity_standard_error": perplexity * error,
        "loss": mean,
        "loss_standard_error": error,
        "num_tokens": len(loss),
        "num_sequences": len(np.unique(row)),
    }


def _middles_of_shares(size: int, wanted: int) -> NDArray[np.int64]:
    """Of `size` indices, the middle of each of `wanted` equal shares; 0, or too many, takes all."""
    number = size if wanted == 0 else min(size, wanted)
    return (2 * np.arange(number, dtype=np.int64) + 1) * size // max(1, 2 * number)
