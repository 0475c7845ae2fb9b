"""Scores of every position by the model that is trained, just before the positions are masked.

One forward pass over the unmasked text, without gradients and without dropout: no generator is
read, so a run with it resumes as exactly as one without. Each rank scores its own sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.learned_weighting import PositionScore
from tidemask.masking.masker import Masker

_LOGITS_BYTES = 1 << 28
"""Float32 logits of the sequences that are scored at once; each has those of all its positions."""


class PositionScoring:
    """Scores positions.

    Args:
        model: returns the model as training calls it: wrapped, so that it is sharded and rounds
            alike.
        score: what a position's score is.
        vocab_size: number of vocabulary entries.
    """

    def __init__(
        self, model: Callable[[], torch.nn.Module], *, score: PositionScore, vocab_size: int
    ) -> None:
        self._model = model
        self._score = score
        self._vocab_size = vocab_size

    def __call__(self, batch: Batch) -> Float[Tensor, "B L"]:
        """The score of each position of a batch on the training device, nats, float32."""
        model = self._model()
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad():
                scores = self._in_slices(model, batch)
        finally:
            model.train(was_training)
        if scores.is_cuda:  # masking, on a stream of its own, reads them; and they are timed
            torch.cuda.synchronize(scores.device)
        return scores

    def _in_slices(self, model: torch.nn.Module, batch: Batch) -> Tensor:
        ids, mask = batch.input_ids.long(), batch.attention_mask
        num_rows = max(1, _LOGITS_BYTES // (4 * self._vocab_size * ids.shape[1]))
        slices = []
        for begin in range(0, len(ids), num_rows):
            rows = slice(begin, begin + num_rows)
            found: Any = model(
                ids[rows],
                torch.arange(ids[rows].numel(), device=ids.device),
                ids[rows].flatten(),
                attention_mask=None if mask is None else mask[rows],
                output=self._score,
            )
            slices.append(found.float().view(-1, ids.shape[1]))
        return torch.cat(slices)


def new_position_scoring(
    masker: Masker, model: Callable[[], torch.nn.Module]
) -> PositionScoring | None:
    """The scoring of a policy that weights positions by a score; `None` for any other."""
    content = masker.settings.scoring
    if content is None:
        return None
    return PositionScoring(model, score=content.score, vocab_size=masker.vocabulary.size)
