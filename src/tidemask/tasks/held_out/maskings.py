"""The maskings that held-out loss is measured under: those of the cells, and a policy's own.

All draws are fixed by a seed of their own, so every model sees the same masked text.

Dimensions: `B` sequences, `L` positions, `K` classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxtyping import Float
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.bitmask import as_bool
from tidemask.masking.masker import Masker
from tidemask.masking.noise import Purpose, StepKey, Streams, positions_of
from tidemask.masking.selection import select_expected
from tidemask.masking.units import starts_of_words
from tidemask.masking.vocabulary import Vocabulary
from tidemask.run_record import HeldOutCell

_SEED = 20230710
"""Seed of the fixed draws; never the seed of a run."""

Masking = Callable[[Batch, int], tuple[Tensor, Tensor]]
"""Called with a batch and the number of a draw from 0; returns corrupted ids, int64 [B, L], and the
positions to predict, bool [B, L]."""


def fixed_masking(cell: HeldOutCell, vocabulary: Vocabulary) -> Masking:
    """The masking of a cell: units drawn uniformly and independently, all shown as the mask token.

    A unit is selected whole or not at all, with the chance of the cell's ratio; units of all ratios
    share their draws, so what is masked at 5 % is masked at 15 % too. Whole words need the word
    starts that every prepared corpus has; a batch without them is a `ValueError`.
    """
    return partial(_fixed, cell, vocabulary)


def _fixed(
    cell: HeldOutCell, vocabulary: Vocabulary, batch: Batch, draw: int
) -> tuple[Tensor, Tensor]:
    streams = Streams(StepKey(_SEED, draw), batch.sample_ids, [Purpose.HELD_OUT])
    is_word = cell.unit == "word"
    places = starts_of_words(batch)[0] if is_word else positions_of(batch.input_ids)
    draws = streams.draws(Purpose.HELD_OUT, places)
    selected = as_bool(select_expected(draws, batch.maskable, None, cell.percent / 100).mask)
    return batch.input_ids.masked_fill(selected, vocabulary.mask_id), selected


def own_masking(
    masker: Masker, class_loss: Float[Tensor, "K"] | None, ratio: float | None = None
) -> Masking:
    """The masking that a policy draws at the end of training, corruption included.

    Args:
        masker: the policy on the corpus that is measured.
        class_loss: what its weights follow at the end; `None` where it does not learn.
        ratio: that it ended with, where it follows measurements.
    """

    def masked(batch: Batch, draw: int) -> tuple[Tensor, Tensor]:
        key = StepKey(_SEED, draw)
        found = masker(batch, progress=1.0, key=key, class_loss=class_loss, ratio=ratio)
        return found.input_ids, found.selected

    return masked
