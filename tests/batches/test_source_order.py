"""Sources in shares: how many samples of each, which rows, and that nothing depends on history."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cases import random_examples
from tidemask.batches.growing_batches import GrowingBatches
from tidemask.batches.source_order import SourceOrder
from tidemask.errors import UserError
from tidemask.masking.schedule import Linear, Phase, Phases, Schedule

NUM_ROWS = (7, 30, 3, 110)


def rows_of(num_rows: tuple[int, ...]) -> dict[str, NDArray[np.int64]]:
    """Rows of sources a, b, ..., which stand in turn, as in no corpus."""
    order = np.argsort(np.concatenate([np.arange(n) / n for n in num_rows]), kind="stable")
    source = np.repeat(np.arange(len(num_rows)), num_rows)[order]
    return {"abcdefgh"[k]: np.flatnonzero(source == k) for k in range(len(num_rows))}


def order_of(
    *shares: float | Schedule, seed: int = 0, max_steps: int, batch: int
) -> tuple[SourceOrder, NDArray[np.int64]]:
    """An order, and the source of every row."""
    rows = rows_of(NUM_ROWS[: len(shares)])
    source = np.empty(sum(map(len, rows.values())), dtype=np.int64)
    for number, own in enumerate(rows.values()):
        source[own] = number
    named = dict(zip(rows, shares, strict=True))
    return SourceOrder(
        rows, named, seed=seed, max_steps=max_steps, global_batch_size=batch
    ), source  # fmt: skip


def counts(order: SourceOrder, source: NDArray[np.int64]) -> NDArray[np.int64]:
    """Samples of each source at each step, [steps, sources]."""
    drawn = source[order.rows(np.arange(order.max_steps * order.global_batch_size))]
    steps = drawn.reshape(order.max_steps, order.global_batch_size)
    return np.stack([(steps == k).sum(axis=1) for k in range(len(order.names))], axis=1)


@given(st.floats(0.02, 0.9), st.floats(0.02, 0.9), st.integers(0, 2**32 - 1))
@random_examples(20)
def test_source_order_shares_are_of_each_step_where_batches_grow(
    start: float, end: float, seed: int
) -> None:
    """The steps' own sizes are divided, and each source is still read once before it is again."""
    growth = GrowingBatches.of(
        Linear(start=start, end=end), predictions=40, maskable_per_row=20.0, max_steps=9,
        largest=30, micro_batches=2,
    )  # fmt: skip
    rows = rows_of(NUM_ROWS[:2])
    shares = {"a": 0.25, "b": Linear(start=0.75, end=0.0)}
    order = SourceOrder(
        rows, shares, seed=seed, max_steps=9, global_batch_size=60, growth=growth
    )  # fmt: skip
    drawn = order.rows(np.arange(growth.starts[-1]))
    of_a = np.isin(drawn, rows["a"])
    for step in range(9):
        share = 0.25 / (0.25 + 0.75 * (1 - step / 9))
        here = slice(*growth.starts[step : step + 2])
        size = int(growth.sizes[step]) * 2
        assert abs(int(of_a[here].sum()) - share * size) < 1
        assert order.rows(np.arange(here.start, here.stop)).tolist() == drawn[here].tolist()
    for of_source, own in ((of_a, rows["a"]), (~of_a, rows["b"])):
        times = np.bincount(drawn[of_source], minlength=37)[own]
        assert times.max() - times.min() <= 1
    with pytest.raises(ValueError, match=f"sample {growth.starts[-1]}. Expected numbers from 0"):
        order.rows(growth.starts[-1:])


@pytest.mark.slow
def test_source_order_is_the_same_where_growing_batches_do_not_grow() -> None:
    growth = GrowingBatches.of(
        Linear(start=0.2, end=0.2), predictions=48, maskable_per_row=20.0, max_steps=300,
        largest=30, micro_batches=2,
    )  # fmt: skip
    assert set(growth.sizes.tolist()) == {6}
    order, _ = order_of(0.3, Linear(start=0.1, end=0.9), max_steps=300, batch=12)
    grown = SourceOrder(
        rows_of(NUM_ROWS[:2]), {"a": 0.3, "b": Linear(start=0.1, end=0.9)}, seed=0,
        max_steps=300, global_batch_size=60, growth=growth,
    )  # fmt: skip
    samples = np.arange(300 * 12)
    assert grown.rows(samples).tolist() == order.rows(samples).tolist()


@given(
    st.lists(st.sampled_from([0.0, 0.001, 0.3, 0.5, 1 / 3, 1.0]), min_size=2, max_size=4),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_source_order_counts_are_the_shares_of_a_step_rounded(
    shares: list[float], batch: int, seed: int
) -> None:
    if not any(shares):
        return
    order, source = order_of(*shares, seed=seed, max_steps=5, batch=batch)
    exact = batch * np.array(shares) / math.fsum(shares)
    found = counts(order, source)
    assert (found.sum(axis=1) == batch).all()
    assert (np.abs(found - exact) < 1 + 1e-9).all()
    assert not found[:, np.array(shares) == 0].any()


@pytest.mark.slow
def test_source_order_follows_schedules_over_blocks_of_steps() -> None:
    late = Phases(phases=(Phase(until=0.5, ratio=0.0), Phase(until=1.0, ratio=0.2)))
    order, source = order_of(Linear(start=0.8, end=0.2), 0.4, late, max_steps=300, batch=32)
    progress = np.arange(300) / 300
    shares = np.stack([0.8 - 0.6 * progress, np.full(300, 0.4), 0.2 * (progress >= 0.5)], axis=1)
    exact = 32 * shares / shares.sum(axis=1, keepdims=True)
    found = counts(order, source)
    assert (np.abs(found - exact) < 1 + 1e-9).all()
    assert np.abs(np.cumsum(found - exact, axis=0)).max() < 6


@pytest.mark.slow
def test_source_order_roundings_do_not_add_up_over_a_long_run() -> None:
    """Those of independent draws would be off by 15 at the end, in the standard deviation."""
    order, source = order_of(0.13, 0.29, 0.58, max_steps=1000, batch=3)
    off = np.cumsum(counts(order, source) - 3 * np.array([0.13, 0.29, 0.58]), axis=0)
    assert np.abs(off).max() < 6


@pytest.mark.slow
def test_source_order_counts_are_the_shares_in_expectation_over_seeds() -> None:
    orders = [order_of(0.13, 0.87, seed=seed, max_steps=2, batch=2) for seed in range(500)]
    first = [(source[order.rows(np.array([2, 3]))] == 0).sum() for order, source in orders]
    # 0.26 samples of the first source in expectation; five standard deviations.
    assert abs(np.mean(first) - 0.26) < 5 * (0.26 * 0.74 / 500) ** 0.5


def test_source_order_reads_each_source_through_before_it_begins_again() -> None:
    order, source = order_of(Linear(start=0.1, end=0.9), 0.5, 0.05, 0.3, max_steps=120, batch=8)
    read = order.rows(np.arange(120 * 8))
    for number, name in enumerate(order.names):
        own = np.flatnonzero(source == number)
        for step in (1, 7, 60, 120):
            times = Counter(read[: 8 * step].tolist())
            found = {times[row] for row in own.tolist()}
            assert max(found) - min(found) <= 1, (name, step)


def test_source_order_epochs_and_sources_have_orders_of_their_own() -> None:
    rows = {"a": np.arange(50), "b": np.arange(50, 100)}
    order = SourceOrder(rows, {"a": 0.5, "b": 0.5}, seed=0, max_steps=200, global_batch_size=1)
    read = order.rows(np.arange(200))
    a, b = read[read < 50], read[read >= 50] - 50
    assert abs(len(a) - 100) <= 1
    assert sorted(a[:50]) == sorted(b[:50]) == list(range(50))
    assert len(set(a[50:98])) == 48
    for one, other in ((a[:48], a[50:98]), (a[:50], b[:50])):
        assert not np.array_equal(one, other)


@pytest.mark.slow
def test_source_order_row_of_a_sample_depends_on_its_number_alone() -> None:
    def order() -> SourceOrder:
        falling = Linear(start=1.0, end=0.1)
        return order_of(falling, 0.4, 0.2, seed=3, max_steps=300, batch=6)[0]

    # Steps on both sides of the border between blocks, 256, and others, in no order.
    samples = [1535, 1536, 0, 1799, 5, 1537, 901, 6, 1534, 902]
    together = order().rows(np.array(samples))
    assert [int(order().rows(np.array([sample]))[0]) for sample in samples] == together.tolist()
    assert order().rows(np.array(samples[::-1]))[::-1].tolist() == together.tolist()
    in_turn = order()
    steps = [in_turn.rows(np.arange(6 * step, 6 * step + 6)) for step in range(300)]
    assert np.concatenate(steps)[samples].tolist() == together.tolist()


def test_source_order_micro_batches_of_a_step_are_alike() -> None:
    """The first half of each step has half of each source, and not the first source alone."""
    order, source = order_of(0.5, 0.5, max_steps=100, batch=8)
    drawn = source[order.rows(np.arange(100 * 8))].reshape(100, 8)
    # Four of eight without replacement: a hypergeometric variance of 4/7; five deviations.
    assert abs(drawn[:, :4].sum(axis=1).mean() - 2) < 5 * (4 / 7 / 100) ** 0.5


def test_source_order_seeds_differ_and_names_do_not_matter() -> None:
    rows = rows_of((7, 30))
    plan = {"max_steps": 9, "global_batch_size": 5}
    given_order = SourceOrder(rows, {"a": 0.5, "b": 0.25}, seed=4, **plan)
    turned = SourceOrder(
        dict(reversed(rows.items())), {"b": 0.25, "a": 0.5}, seed=4, **plan
    )  # fmt: skip
    other = SourceOrder(rows, {"a": 0.5, "b": 0.25}, seed=5, **plan)
    samples = np.arange(45)
    assert given_order.rows(samples).tolist() == turned.rows(samples).tolist()
    assert given_order.rows(samples).tolist() != other.rows(samples).tolist()
    assert given_order.note() == (
        "Epochs of each source in this run: "
        f"a {30 / 7:.3g}, b {15 / 30:.3g}."
    )  # fmt: skip


def test_source_order_refuses_what_it_cannot_draw() -> None:
    for shares, message in (
        ({"a": 1.0}, "source without a share: b is not in training.source_shares."),
        (
            {"a": 1.0, "b": 0.0, "bb": 0.1},
            "no such source: training.source_shares.bb. Expected a, b, ",
        ),
        (
            {"a": Linear(start=0.0, end=0.3), "b": 0.0},
            "no source to draw from: training.source_shares are all 0 at step 0 of 4.",
        ),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            SourceOrder(rows_of((7, 30)), shares, seed=0, max_steps=4, global_batch_size=2)
    order, _ = order_of(0.5, 0.5, max_steps=4, batch=2)
    for sample in (-1, 8):
        with pytest.raises(ValueError, match=f"sample {sample}. Expected numbers from 0 to 7"):
            order.rows(np.array([sample, 3]))
