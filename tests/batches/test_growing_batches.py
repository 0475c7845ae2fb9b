"""Batches that grow as the ratio falls: as few sequences as predict enough, and exact starts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from tidemask.batches.growing_batches import GrowingBatches
from tidemask.batches.stream import StepSampler
from tidemask.masking.schedule import Linear


def grown(steps: int = 12, *, micro_batches: int = 4, largest: int = 50) -> GrowingBatches:
    return GrowingBatches.of(
        Linear(start=0.4, end=0.0), predictions=240, maskable_per_row=30.0, max_steps=steps,
        largest=largest, micro_batches=micro_batches,
    )  # fmt: skip


@random_examples(100)
@given(
    start=st.floats(0.0, 1.0),
    end=st.floats(0.0, 1.0),
    predictions=st.integers(1, 5000),
    micro_batches=st.integers(1, 6),
)
def test_micro_batches_are_the_smallest_that_predict_enough(
    start: float, end: float, predictions: int, micro_batches: int
) -> None:
    ratio, steps, largest = Linear(start=start, end=end), 9, 64
    batches = GrowingBatches.of(
        ratio, predictions=predictions, maskable_per_row=50.0, max_steps=steps, largest=largest,
        micro_batches=micro_batches,
    )  # fmt: skip

    def expected(step: int, size: int) -> float:
        return size * micro_batches * 50.0 * ratio(step / steps)

    first = 0
    for step, size in enumerate(batches.sizes.tolist()):
        assert 1 <= size <= largest
        assert expected(step, size - 1) < predictions
        is_short = expected(step, size) < predictions * (1 - 1e-6)
        assert not is_short or size == largest
        assert is_short <= (step >= batches.short_from)
        assert batches.starts[step] == first
        first += size * micro_batches
    assert batches.starts[steps] == first


def test_ratio_of_zero_takes_the_largest_batch() -> None:
    batches = GrowingBatches.of(
        Linear(start=0.0, end=0.3), predictions=10, maskable_per_row=30.0, max_steps=3, largest=7,
        micro_batches=1,
    )  # fmt: skip
    assert batches.sizes[0] == 7
    assert batches.short_from == 0


@pytest.mark.parametrize(("accumulation", "ranks"), [(4, 1), (2, 2), (1, 4)])
@pytest.mark.parametrize("start", [0, 5, 11])
def test_samples_follow_one_another_whatever_the_ranks(
    accumulation: int, ranks: int, start: int
) -> None:
    batches = grown()
    samplers = [
        StepSampler(
            start_step=start, max_steps=12, micro_batch_size=50, accumulation_steps=accumulation,
            rank=rank, num_ranks=ranks, growth=batches,
        )
        for rank in range(ranks)
    ]  # fmt: skip
    drawn = [list(sampler) for sampler in samplers]
    for number, step in enumerate(range(start, 12)):
        turns = slice(number * accumulation, (number + 1) * accumulation)
        together = [sample for of_rank in drawn for micro in of_rank[turns] for sample in micro]
        assert together == list(samplers[0].samples_of(step))
        sizes = {len(micro) for of_rank in drawn for micro in of_rank[turns]}
        assert sizes == {int(batches.sizes[step])}
    assert samplers[0].samples_of(0).start == 0
    assert all(
        samplers[0].samples_of(step).stop == samplers[0].samples_of(step + 1).start
        for step in range(11)
    )


def test_sizes_grow_as_the_ratio_falls() -> None:
    sizes = grown().sizes.tolist()
    assert sizes == sorted(sizes)
    assert sizes[0] == math.ceil(240 / (4 * 30 * 0.4))
    assert sizes[-1] > 4 * sizes[0]
