"""Which optimizer step a batch is for, in whatever process it is made.

A loader makes batches ahead of their use, in other processes. What step a batch will train is known
all the same: loaders hand out batches in order, batch `i` to worker `i mod W`, so the n-th batch of
worker `w` is number `n W + w` since the loader was started. The clock counts them from the batch
with which the loader was started, and shares with its copies in the workers what changes while they
run. (A loader with `in_order=False` has no such order.)
"""

from __future__ import annotations

import math
import os
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

_AHEAD = 64
"""Batches per worker that a loader may make in advance; its default is 2."""

_USUALLY_AHEAD = 8
"""Batches per worker that a loader is taken to make in advance where no more is known."""

_GENERATION, _FIRST, _DONE, _REACHED, _LOADER = range(5)


class StepClock:
    """Counts batches, and knows the steps that are done.

    Args:
        max_steps: planned optimizer steps.
        accumulation_steps: batches per optimizer step.
    """

    def __init__(self, max_steps: int, *, accumulation_steps: int = 1) -> None:
        for name, value in (("max_steps", max_steps), ("accumulation_steps", accumulation_steps)):
            if value < 1:
                raise ValueError(f"{name}={value}. Expected at least 1.")
        self.max_steps = max_steps
        self.accumulation_steps = accumulation_steps
        self._shared = _shared(torch.tensor([0, 0, 0, -1, -1]))
        self._generation = 0
        self._started_at = 0
        self._first = 0
        self._made_again = 0
        self._made = 0
        self._steps_done = 0
        self._process = os.getpid()

    @property
    def steps_done(self) -> int:
        """Optimizer steps completed."""
        return int(self._shared[_DONE])

    def step_done(self) -> None:
        """Say that an optimizer step is completed; in the training process.

        Raises:
            ValueError: all planned steps are done.
        """
        if self.steps_done >= self.max_steps:
            raise ValueError(
                f"step {self.steps_done + 1} of max_steps={self.max_steps} is done. "
                "Expected as many steps as the schedule was planned for."
            )
        self._steps_done = self.steps_done + 1
        self._shared[_DONE] = self._steps_done

    def start(self, step: int, offset: int = 0) -> None:
        """Say that `step` is the next, and with which batch the next loader iterator begins.

        Needed where training continues at a step other than 0, and before each epoch of a loader
        with persistent workers, whose last epoch was read to its end.

        Args:
            step: number of steps done.
            offset: batches of `step` that the loop has already; below 0, the batches before `step`
                that the loader makes once more and the loop throws away.

        Raises:
            ValueError: `step` is negative or beyond the planned steps.
        """
        if not 0 <= step <= self.max_steps:
            raise ValueError(f"step={step}. Expected a step in [0, {self.max_steps}].")
        self._generation += 1
        self._started_at = self._steps_done = step
        self._begin(step * self.accumulation_steps + offset, step)
        shared = [self._generation, self._first, step, self._first - 1, -1]
        self._shared.copy_(torch.tensor(shared))

    def next_step(self) -> int:
        """The step of the batch that is made now, in this process.

        Batches made ahead of the last step and never used count as the last step's. No batch is for
        a step that is done, so the count goes on with a new step where an epoch ended within one.
        The workers of an iterable dataset may give unequal numbers of batches; theirs are taken to
        be at most `_USUALLY_AHEAD` batches per worker ahead of their use.

        Raises:
            RuntimeError: in a worker, whose count shows that the loop does not say `step_done`, or
                not `start` where it is needed.
        """
        info = get_worker_info()
        batch = self._next_batch() if info is None else self._next_batch_of(info)
        return min(max(batch, 0) // self.accumulation_steps, self.max_steps - 1)

    def _begin(self, first: int, step: int) -> None:
        self._first = first
        self._made_again = max(0, step * self.accumulation_steps - first)
        self._made = 0

    def _next_batch(self) -> int:
        """Number of this batch since step 0, outside of workers.

        There a loader is at most one batch ahead of a whole step. Batches that were fetched and
        never trained (a peek, an epoch broken off) do not count beyond that, once the loop has said
        that a step is done.
        """
        done = self.steps_done * self.accumulation_steps
        if self._made >= self._made_again:
            self._made = max(self._made, done - self._first)
        if self.steps_done > self._started_at:
            self._made = min(self._made, done + self.accumulation_steps - self._first)
        self._made += 1
        return self._first + self._made - 1

    def _next_batch_of(self, info: Any) -> int:
        """Number of this batch since step 0, in a worker."""
        usual = self.accumulation_steps + _USUALLY_AHEAD * info.num_workers
        if os.getpid() != self._process:
            self._begin_in_worker(info.seed - info.id, usual)
        generation, first, steps_done, reached, _ = self._shared.tolist()
        done = steps_done * self.accumulation_steps
        if generation != self._generation:
            self._generation = generation
            self._begin(first, steps_done)
        batch: int = self._first + self._made * info.num_workers + info.id
        again = self._made * info.num_workers + info.id < self._made_again
        self._made += 1
        if isinstance(info.dataset, IterableDataset) and done > self._first:
            batch = min(batch, done + usual)
        ahead = batch - done
        if ahead >= self.accumulation_steps + _AHEAD * info.num_workers:
            raise self._out_of_step(batch, steps_done)
        if ahead <= -self.accumulation_steps and not again:
            raise self._out_of_step(batch, steps_done)
        if batch > reached:
            self._shared[_REACHED] = batch
        return batch

    def _begin_in_worker(self, loader: int, usual: int) -> None:
        """A worker begins where the training process was when it started the loader."""
        self._process = os.getpid()
        first = self._steps_done * self.accumulation_steps
        self._begin(
            self._first if self._steps_done == self._started_at else first, self._steps_done
        )
        if loader != self._shared[_LOADER]:  # the first of its workers
            reached = int(self._shared[_REACHED])
            if reached - self._first >= usual:
                raise self._out_of_step(reached, self._steps_done)
            self._shared[_LOADER] = loader
            self._shared[_REACHED] = self._first - 1

    def _out_of_step(self, batch: int, steps_done: int) -> RuntimeError:
        return RuntimeError(
            f"a worker made a batch for step {batch // self.accumulation_steps} while {steps_done} "
            f"steps are done. Expected a loop that calls step_done() after each optimizer step of "
            f"{self.accumulation_steps} batches, and start(step) before each epoch of persistent "
            "workers and before going through the loader again without training."
        )


class SharedLosses:
    """Cumulative losses per class, written by the training process and read by workers.

    Args:
        num_classes: how many.
        lag_steps: losses are read as they were this many steps before the one that asks, or as near
            to that as is known.
    """

    def __init__(self, num_classes: int, *, lag_steps: int = 0) -> None:
        if lag_steps < 0:
            raise ValueError(f"loss_lag_steps={lag_steps}. Expected at least 0.")
        self.lag_steps = lag_steps
        unseen = torch.full((lag_steps + 1, num_classes), torch.nan, dtype=torch.float64)
        self._values = _shared(unseen)
        self._steps = _shared(torch.full((lag_steps + 1,), -1))
        self._steps[0] = 0

    def write(self, values: Tensor, steps_done: int) -> None:
        """Keep the losses after so many steps, nats, NaN where unseen."""
        place = steps_done % len(self._steps)
        self._values[place] = values
        self._steps[place] = steps_done

    def read(self, step: int) -> Tensor:
        """A copy of the losses with which a batch of `step` is masked, float64."""
        wanted = max(0, step - self.lag_steps)
        known = [steps for steps in self._steps.tolist() if steps >= 0]
        nearest = max((s for s in known if s <= wanted), default=min(known))
        return self._values[nearest % len(self._steps)].clone()

    def state(self) -> dict[str, list[float | None]]:
        """The losses kept, by steps done; null where unseen."""
        return {
            str(steps): [None if math.isnan(x) else x for x in self._values[place].tolist()]
            for place, steps in enumerate(self._steps.tolist())
            if steps >= 0
        }

    def load_state(self, state: dict[str, list[float | None]]) -> None:
        """Go on from what was kept, as far as it is needed."""
        self._steps.fill_(-1)
        for steps in sorted(map(int, state)):
            values = [math.nan if x is None else x for x in state[str(steps)]]
            self.write(torch.tensor(values, dtype=torch.float64), steps)


def _shared(values: Tensor) -> Tensor:
    """The tensor in memory that processes started from this one share."""
    shared: Tensor = values.share_memory_()  # type: ignore[no-untyped-call]
    return shared
