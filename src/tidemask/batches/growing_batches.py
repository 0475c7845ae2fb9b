"""Sequences per step that grow as the masking ratio falls, so that as many tokens are predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemask.masking.schedule import Schedule
from tidemask.settings import check_at_least, check_integer

_SLACK = 1e-9
"""Relative; a quotient that rounding puts just above a whole number is that number."""


@dataclass(frozen=True, eq=False)
class GrowingBatches:
    """The size of every step's micro-batches, and the sample that each step begins with.

    With the ratio `r(t)` of step `t`, `m` maskable tokens in a row on average, and `M`
    micro-batches a step over all ranks, the micro-batches of a step have

        min(largest, max(1, ceil(predictions / (M m r(t)))))

    sequences: the fewest whose expected predicted tokens reach the number. Everything follows from
    the settings and the corpus, so a run may begin at any step.

    Attributes:
        sizes: sequences of each micro-batch, by step; int64 [T].
        starts: first sample of each step, and the end of the last; int64 [T + 1].
        short_from: first step at which the largest micro-batch is too small; `T` if there is none.
    """

    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    short_from: int

    @classmethod
    def of(
        cls,
        ratio: Schedule,
        *,
        predictions: int,
        maskable_per_row: float,
        max_steps: int,
        largest: int,
        micro_batches: int,
    ) -> GrowingBatches:
        """The batches of a run.

        Args:
            ratio: of the masking, all of which is predicted.
            predictions: tokens to be predicted in each step, at least 1.
            maskable_per_row: mean over the corpus.
            max_steps: planned steps, `T`.
            largest: sequences of a micro-batch at most.
            micro_batches: of a step, over all ranks.

        Example:
            >>> from tidemask.batches.growing_batches import GrowingBatches
            >>> from tidemask.masking.schedule import Linear
            >>> batches = GrowingBatches.of(
            ...     Linear(start=0.3, end=0.1), predictions=600, maskable_per_row=100.0,
            ...     max_steps=4, largest=64, micro_batches=1,
            ... )
            >>> batches.sizes.tolist(), batches.starts.tolist()
            ([20, 24, 30, 40], [0, 20, 44, 74, 114])
        """
        check_integer("predictions", predictions, minimum=1)
        check_at_least("maskable_per_row", maskable_per_row, 0.0)
        ratios = np.array([ratio(step / max_steps) for step in range(max_steps)])
        with np.errstate(divide="ignore", over="ignore"):
            wanted = predictions / (micro_batches * maskable_per_row * ratios)
        needed = np.ceil(wanted * (1.0 - _SLACK))
        sizes = np.clip(needed, 1, largest).astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(sizes * micro_batches)])
        is_short = needed > largest
        short_from = int(is_short.argmax()) if is_short.any() else max_steps
        return cls(sizes, starts, short_from)
