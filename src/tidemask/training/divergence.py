"""What is said when a run cannot go on because a number is not finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tidemask.batches.stream import BatchDataset, StepSampler
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.training.distributed import all_sum

_NAMED = 8
"""Samples that are named; of more, how many."""


@dataclass(frozen=True)
class Divergence:
    """Finds the samples that a number was computed from.

    Attributes:
        run: whose last checkpoint is named.
        dataset: knows the row of each sample.
        sampler: from a step to this rank's sampler that begins there.
    """

    run: RunDirectory
    dataset: BatchDataset
    sampler: Callable[[int], StepSampler]

    def error(self, what: str, value: float, step: int, samples: Sequence[int]) -> UserError:
        """See `not_finite`."""
        checkpoints = self.run.checkpoints()
        return not_finite(
            what,
            value,
            step=step,
            samples=samples,
            rows=self.dataset.order.rows(np.asarray(samples, dtype=np.int64)).tolist(),
            checkpoint=checkpoints[-1][1] if checkpoints else None,
        )

    def samples_of(self, step: int) -> range:
        """Those of a whole step, over all ranks."""
        size = self.sampler(step).global_batch_size
        return range(step * size, (step + 1) * size)

    def samples_not_finite(self, step: int, losses: Sequence[Tensor]) -> list[int]:
        """Samples of the micro-batches, of any rank, whose loss is not; all if none stands out.

        Every rank must call it.

        Args:
            step: in which they were.
            losses: of this rank's micro-batches.
        """
        everyone = self.samples_of(step)
        finite = torch.ones(len(everyone), dtype=torch.float64)
        for samples, loss in zip(self.sampler(step), losses, strict=False):
            finite[torch.tensor(samples) - everyone.start] = float(torch.isfinite(loss))
        num_finite = all_sum(finite)
        found = (num_finite < num_finite.max()).nonzero().flatten().tolist()
        return [everyone[number] for number in found] or list(everyone)


def not_finite(
    what: str,
    value: float,
    *,
    step: int,
    samples: Sequence[int],
    rows: Sequence[int],
    checkpoint: Path | None,
) -> UserError:
    """The error of a loss, a gradient or a weight that is infinite or no number.

    Args:
        what: its name.
        value: what it is.
        step: the 0-based optimizer step that found it.
        samples: numbers, in the endless stream, of the samples it was computed from; may be empty.
        rows: the row of the training split that each of them is.
        checkpoint: the last one, saved while all was finite; `None` if there is none yet.
    """
    last = "no checkpoint was saved yet" if checkpoint is None else f"the last good is {checkpoint}"
    return UserError(
        f"{what} is not finite: {value} in step {step + 1}{_origin(samples, rows)}; {last}. "
        "Start again with a lower training.learning_rate, or look at the text of these rows."
    )


def _origin(samples: Sequence[int], rows: Sequence[int]) -> str:
    if not samples:
        return ""
    return f", samples {_listed(samples)} (rows {_listed(rows)} of the training split)"


def _listed(numbers: Sequence[int]) -> str:
    named = ", ".join(str(number) for number in numbers[:_NAMED])
    more = len(numbers) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
