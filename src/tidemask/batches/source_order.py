"""Rows drawn from several sources in shares that follow progress; computed, never replayed.

Step `t` of `T` takes `G` samples, the global batch. Source `k` has the part

    p_k(t) = share_k(t / T) / sum_j share_j(t / T)

of them, and each source is a stream of its own: all of its rows once, then all of them again in
another order. Which row a sample is follows from the seed, the number of the sample, and the plan
(shares, `T`, `G`), so a run may start at any step, on any number of ranks. Where batches grow, `G`
is that of the step.

The samples of a step are divided by systematic sampling. The sources lie one after another on a
line of length `G`, each as long as `G p_k(t)`; the points `u, u + 1, ...` of the line are the
samples, with `u` in [0, 1). So a source has `G p_k(t)` of them, rounded up or down, and exactly so
many in expectation over the seed. From step to step `u` moves on by the golden ratio, modulo 1,
from a draw that is keyed by the seed, so that roundings up and down follow one another closely:
under constant shares they add up to a few samples in a run of any length.

References:
    Madow and Madow, "On the theory of systematic sampling" (1944); Weyl, "Über die
    Gleichverteilung von Zahlen mod. Eins" (1916).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tidemask.batches.growing_batches import GrowingBatches
from tidemask.batches.stream import ShuffledOrder
from tidemask.errors import UserError, did_you_mean
from tidemask.masking.noise import Purpose, permutation, philox_4x32
from tidemask.masking.schedule import Schedule, ratio_at
from tidemask.settings import MAX_STEPS, check_integer

_GOLDEN = 0x9E3779B97F4A7C15
"""The golden ratio less 1, in units of 2**-64."""

_BLOCK_STEPS = 256
"""Steps whose counts are in memory together; of those before, only the sums at every block."""


class SourceOrder:
    """Row of each sample of a run whose sources are drawn in shares that follow progress.

    Args:
        rows: the rows of each source, by its name; at least one of each.
        shares: of each source, by its name: a number in [0, 1] or a schedule. They are divided by
            their sum, so only their quotients matter.
        seed: of the run, in [0, 2**32).
        max_steps: planned steps of the run.
        global_batch_size: samples of a step, over all ranks.
        growth: how many samples each step has instead, where their numbers differ.

    Raises:
        UserError: a source has no share, a share no source, or all shares are 0 at some step.

    Example:
        >>> import numpy as np
        >>> rows = {"de": np.arange(10), "en": np.arange(10, 30)}
        >>> shares = {"de": 0.25, "en": 0.75}
        >>> order = SourceOrder(rows, shares, seed=0, max_steps=5, global_batch_size=8)
        >>> [int(sum(order.rows(np.arange(8 * t, 8 * t + 8)) < 10)) for t in range(5)]
        [2, 2, 2, 2, 2]
    """

    def __init__(
        self,
        rows: Mapping[str, NDArray[np.int64]],
        shares: Mapping[str, float | Schedule],
        *,
        seed: int,
        max_steps: int,
        global_batch_size: int,
        growth: GrowingBatches | None = None,
    ) -> None:
        self.seed = check_integer("seed", seed, minimum=0, below=1 << 32)
        self.max_steps = check_integer("max_steps", max_steps, minimum=1, below=MAX_STEPS)
        self.global_batch_size = check_integer("global_batch_size", global_batch_size, minimum=1)
        self._growth = growth
        _check_names(list(rows), list(shares))
        self.names = sorted(rows)
        self._rows = [rows[name] for name in self.names]
        self._shares = [shares[name] for name in self.names]
        # Seeds of runs have 32 bits; those above them give each source an order of its own.
        self._orders = [
            ShuffledOrder(len(own), seed=self.seed + (number << 32))
            for number, own in enumerate(self._rows, 1)
        ]
        blocks = range(-(-self.max_steps // _BLOCK_STEPS))
        in_blocks = [np.diff(self._ends(block), axis=1).sum(axis=0) for block in blocks]
        self._totals = np.cumsum([np.zeros_like(in_blocks[0]), *in_blocks], axis=0)
        self._block, self._block_ends, self._before = -1, self._totals, self._totals
        self._step, self._places = -1, np.empty(0, dtype=np.int64)

    @property
    def num_samples(self) -> int:
        """Samples of the whole run."""
        if self._growth is None:
            return self.max_steps * self.global_batch_size
        return int(self._growth.starts[-1])

    def rows(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the given samples, int64.

        Raises:
            ValueError: a sample is not one of the run.
        """
        last = self.num_samples - 1
        if samples.size and not 0 <= samples.min() <= samples.max() <= last:
            outside = samples.min() if samples.min() < 0 else samples.max()
            raise ValueError(f"sample {outside}. Expected numbers from 0 to {last}.")
        steps, positions = self._steps_of(samples)
        rows = np.empty_like(samples)
        for step in np.unique(steps):
            here = steps == step
            rows[here] = self._rows_of_step(int(step), positions[here])
        return rows

    def note(self) -> str:
        """How often the rows of each source are read in the whole run, as one sentence."""
        totals = zip(self.names, self._totals[-1], self._rows, strict=True)
        epochs = (f"{name} {total / len(rows):.3g}" for name, total, rows in totals)
        return f"Epochs of each source in this run: {', '.join(epochs)}."

    def _steps_of(self, samples: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The step of each sample, and its number within the step."""
        if self._growth is None:
            return np.divmod(samples, self.global_batch_size)
        starts = self._growth.starts
        steps = np.searchsorted(starts, samples, side="right") - 1
        return steps, samples - starts[steps]

    def _sizes(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Samples of each of some steps."""
        if self._growth is None:
            return np.full_like(steps, self.global_batch_size)
        return self._growth.starts[steps + 1] - self._growth.starts[steps]

    def _rows_of_step(self, step: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of some samples of a step, which lie on the line of sources in a shuffled order."""
        places = self._shuffled(step)[positions]
        ends, before = self._at(step)
        sources = np.searchsorted(ends[1:], places, side="right")
        indices = before[sources] + places - ends[sources]
        rows = np.empty_like(places)
        for source in np.unique(sources):
            here = sources == source
            rows[here] = self._rows[source][self._orders[source].rows(indices[here])]
        return rows

    def _shuffled(self, step: int) -> NDArray[np.int64]:
        """Where on the line of sources each sample of a step lies; kept for its micro-batches."""
        if step != self._step:
            size = int(self._sizes(np.array([step]))[0])
            self._places = permutation(self.seed, Purpose.SOURCE_DRAW, step, size).numpy()
            self._step = step
        return self._places

    def _at(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where sources end among the samples of a step, and how many of each were before it."""
        block, within = divmod(step, _BLOCK_STEPS)
        if block != self._block:
            ends = self._ends(block)
            counts = np.diff(ends, axis=1)
            self._block, self._block_ends = block, ends
            self._before = self._totals[block] + np.cumsum(counts, axis=0) - counts
        return self._block_ends[within], self._before[within]

    def _ends(self, block: int) -> NDArray[np.int64]:
        """Samples of the first 0, 1, ... sources at each step of a block, [steps, sources + 1]."""
        first = block * _BLOCK_STEPS
        steps = np.arange(first, min(first + _BLOCK_STEPS, self.max_steps))
        ends = np.zeros((len(steps), len(self.names) + 1))
        for number, share in enumerate(self._shares, 1):
            ends[:, number] = [ratio_at(share, step / self.max_steps) for step in steps.tolist()]
        ends = np.cumsum(ends, axis=1)
        if not ends[:, -1].all():
            step = steps[ends[:, -1] == 0][0]
            raise UserError(
                f"no source to draw from: training.source_shares are all 0 at step {step} of "
                f"{self.max_steps}. Expected one above 0 at each step."
            )
        # Divided by itself the last is 1, so that the counts are never short of the batch.
        sizes = self._sizes(steps)[:, None]
        ends = np.ceil(sizes * (ends / ends[:, -1:]) - self._offsets(steps))
        return ends.astype(np.int64)

    def _offsets(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Where the first sample of each step lies on the line, [steps, 1], in [0, 1)."""
        counter = (int(Purpose.SOURCE_DRAW), 0, 0, 1)
        high, low, *_ = philox_4x32(counter, (self.seed, 0))
        offsets = np.uint64(high << 32 | low) + steps.astype(np.uint64) * np.uint64(_GOLDEN)
        return (offsets >> np.uint64(11)).astype(np.float64)[:, None] * 2.0**-53


def _check_names(sources: list[str], shared: list[str]) -> None:
    for name in shared:
        if name not in sources:
            raise UserError(
                f"no such source: training.source_shares.{name}. Expected "
                f"{', '.join(sorted(sources))}, of which the training rows are."
                f"{did_you_mean(name, sources)}"
            )
    for name in sorted(sources):
        if name not in shared:
            raise UserError(
                f"source without a share: {name} is not in training.source_shares. Expected a "
                "share of every source. Give it 0 to leave it out."
            )
