"""Units of selection: what is selected whole or not at all.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from tidemask.batch import Batch

Unit = Literal["token", "word"]
"""`token`: every position by itself. `word`: all subwords of a word together."""


def unit_starts(batch: Batch, unit: Unit) -> Int[Tensor, "B L"] | None:
    """Position at which each position's unit starts.

    All positions of a unit share the noise and the class found at its start, so they share their
    fate. Words are those that preparation recorded; position 0 always starts one.

    Returns:
        int64, on the batch's device; `None` where every position is its own unit.

    Raises:
        ValueError: `word_starts` has another shape than the ids.
    """
    if unit == "token":
        return None
    if batch.word_starts.shape != batch.input_ids.shape:
        raise ValueError(
            f"word_starts of shape {tuple(batch.word_starts.shape)}. "
            f"Expected {tuple(batch.input_ids.shape)}, the shape of input_ids."
        )
    positions = torch.arange(batch.input_ids.shape[1], device=batch.input_ids.device)
    starts = torch.where(batch.word_starts, positions, 0)
    return torch.cummax(starts, dim=1).values if starts.numel() else starts
