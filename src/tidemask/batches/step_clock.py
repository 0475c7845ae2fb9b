"""Which optimizer step a batch is for, in whatever process it is made.

A loader makes batches ahead of their use, in other processes. The step that a batch will train is
known all the same: loaders hand out batches in order, batch `i` to worker `i mod W`, so the n-th
batch of worker `w` is number `n W + w` since the loader was started. The clock counts from the
batch with which the loader was started, and shares with its copies in the workers what changes
while they run. (A loader with `in_order=False` has no such order.)

An epoch that is broken off, a look at some batches, or a loop that does not report its steps would
make that count wrong in silence. So each worker compares its count with the steps that are done and
raises an error where the distance cannot be the loader's own.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from tidemask.settings import MAX_STEPS, check_integer

_AHEAD = 64
"""Batches per worker that a loader may make in advance; its default is 2."""

_USUALLY_AHEAD = 8
"""Batches per worker that a loader is taken to make in advance where no more is known."""

# Places of the shared tensor: how often `start` was called, the batch with which it lets a loader
# begin, the steps done, the last batch that a worker made, and the seed of that worker's loader.
_GENERATION, _FIRST, _DONE, _REACHED, _LOADER = range(5)


class StepClock:
    """Counts batches, and knows the steps that are done.

    Args:
        max_steps: planned optimizer steps.
        accumulation_steps: batches per optimizer step.
    """

    def __init__(self, max_steps: int, *, accumulation_steps: int = 1) -> None:
        self.max_steps = check_integer("max_steps", max_steps, minimum=1, below=MAX_STEPS)
        self.accumulation_steps = check_integer("accumulation_steps", accumulation_steps, minimum=1)
        self._shared = in_shared_memory(torch.tensor([0, 0, 0, -1, -1]))
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
        """Count a completed optimizer step; in the training process.

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
        """Set the next step, and the batch with which the next loader iterator begins.

        Needed where training continues at a step other than 0, and before each epoch of a loader
        with persistent workers, whose last epoch was read to its end.

        Args:
            step: number of steps done.
            offset: batches of `step` that the loop has already; below 0, the batches before `step`
                that the loader makes once more and the loop discards.

        Raises:
            ValueError: `step` is negative or beyond the planned steps.
        """
        step = check_integer("step", step, minimum=0, below=self.max_steps + 1, what="a step")
        offset = check_integer("offset", offset, minimum=-step * self.accumulation_steps)
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
            RuntimeError: in a worker, whose count shows that the loop does not call `step_done`, or
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
        never trained (a peek, an epoch broken off) do not count beyond that, once a step is done.
        """
        done = self.steps_done * self.accumulation_steps
        if self._made >= self._made_again:
            self._made = max(self._made, done - self._first)
        if self.steps_done > self._started_at:
            self._made = min(self._made, done + self.accumulation_steps - self._first)
        self._made += 1
        return self._first + self._made - 1

    def _next_batch_of(self, info: Any) -> int:
        """Number of this batch since step 0, in a worker.

        `info` is torch's: the worker's number, how many there are, and the loader's seed.
        """
        usual = self.accumulation_steps + _USUALLY_AHEAD * info.num_workers
        if os.getpid() != self._process:
            self._begin_in_worker(info.seed - info.id, usual)
        generation, first, steps_done, reached, _ = self._shared.tolist()
        done = steps_done * self.accumulation_steps
        if generation != self._generation:  # `start` was called since this worker's last batch
            self._generation = generation
            self._begin(first, steps_done)
        # The rule above, `n W + w`; then the distance to the steps done, which must be plausible.
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
        """Begin where the training process was when it started the loader.

        This copy of the clock is as old as the worker: it holds the steps that were done then. The
        first worker of a loader also checks how far the last loader came: if it was far ahead of
        the steps done, the loop read batches without reporting steps.
        """
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


def in_shared_memory(values: Tensor) -> Tensor:
    """Move a tensor into memory that this process shares with those it starts."""
    shared: Tensor = values.share_memory_()  # type: ignore[no-untyped-call]
    return shared
