"""The error of a run that cannot go on because a number is not finite, and what it came from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tidemask.batches.stream import BatchDataset, StepSampler
from tidemask.errors import UserError, shortened
from tidemask.run_record import RunDirectory
from tidemask.training.distributed import all_sum
from tidemask.training.sharding import local_part

_NAMED = 8
"""Samples that are named; the others are counted."""


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
        """The error of a loss, a gradient or a weight that is infinite or NaN.

        Args:
            what: its name.
            value: what it is.
            step: the 0-based optimizer step that found it.
            samples: numbers, in the endless stream, of the samples it was computed from; may be
                empty.
        """
        checkpoints = self.run.checkpoints()
        last, origin = "no checkpoint was saved yet", ""
        if checkpoints:
            last = f"the last good is {checkpoints[-1][1]}"
        if samples:
            rows = self.dataset.order.rows(np.asarray(samples, dtype=np.int64)).tolist()
            origin = (
                f", samples {shortened(samples, _NAMED)} (rows {shortened(rows, _NAMED)} of the "
                "training split)"
            )
        return UserError(
            f"{what} is not finite: {value} in step {step + 1}{origin}; {last}. "
            f"{_advice(step, samples)}"
        )

    def samples_of(self, step: int) -> range:
        """The samples of a whole step, over all ranks."""
        return self.sampler(step).samples_of(step)

    def samples_not_finite(self, step: int, losses: Sequence[Tensor]) -> list[int]:
        """The samples of the micro-batches, of any rank, whose loss is not finite.

        They are all samples of the step if no micro-batch stands out.

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

    def check_weights(self, model: nn.Module, step: int) -> None:
        """Check that every weight is finite; every rank must call it.

        Args:
            model: that was trained.
            step: the 0-based optimizer step that changed the weights last.

        Raises:
            UserError: a weight of any rank is not finite.
        """
        parts = ((name, local_part(weight)) for name, weight in model.named_parameters())
        wrong = [name for name, part in parts if not bool(torch.isfinite(part).all())]
        if float(all_sum(torch.tensor([float(len(wrong))], dtype=torch.float64))) > 0.0:
            name = wrong[0] if wrong else "of another process"
            raise self.error(f"weight {name}", math.nan, step, samples=[])


def _advice(step: int, samples: Sequence[int]) -> str:
    """What may be wrong: in the first step no weight was changed yet, by no learning rate."""
    if not samples:
        return "Start again with a lower training.learning_rate."
    if step == 0:
        return (
            "No weight was changed yet: look at the text of these rows, or at the weights that the "
            "run began with (those of model.warm_start, where it has one)."
        )
    return "Start again with a lower training.learning_rate, or look at the text of these rows."
