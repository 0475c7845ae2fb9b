"""The step of every batch, in real loaders: any number of workers, any way of starting them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import IterableDataset, get_worker_info

from cases import one_in
from collators import BATCH, Rows, collator_of, expected, is_for, loader_of, row_of, same, zeros
from tidemask import MaskingCollator
from tidemask.batches.step_clock import StepClock

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]

ONE = pytest.param(1, marks=pytest.mark.slow)


class Stream(IterableDataset[dict[str, Any]]):
    """Batch `i` goes to worker `i mod W`; or `shares` sets how many each worker gives."""

    def __init__(self, num_batches: int, shares: tuple[int, ...] = ()) -> None:
        self.num_batches = num_batches
        self.shares = shares

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        mine = range(worker, self.num_batches, workers)
        if self.shares:
            mine = range(1000 * worker, 1000 * worker + self.shares[worker])
        for batch in mine:
            yield from (row_of(BATCH * batch + i) for i in range(BATCH))


def train(
    loader: Any, collator: MaskingCollator, epochs: int, *, restart: bool = False
) -> list[dict[str, Any]]:
    """A plain loop: a step after every `accumulation_steps` batches, and at an epoch's end."""
    batches = []
    for _ in range(epochs):
        if restart:
            collator.start(collator.clock.steps_done)
        turn = 0
        for turn, batch in enumerate(loader, start=1):
            batches.append(batch)
            if turn % collator.clock.accumulation_steps == 0:
                collator.step_done(*zeros(collator))
        if turn % collator.clock.accumulation_steps:
            collator.step_done(*zeros(collator))
    return batches


def check(batches: list[dict[str, Any]], per_epoch: int, accumulation: int, steps: int) -> None:
    """Every batch has the masks of the step that it trains."""
    per_epoch_steps = -(-per_epoch // accumulation)
    assert len(batches) % per_epoch == 0
    for number, batch in enumerate(batches):
        epoch, turn = divmod(number, per_epoch)
        step = epoch * per_epoch_steps + turn // accumulation
        assert is_for(batch, step, steps), f"batch {number} is not for step {step}"


@pytest.mark.parametrize("workers", one_in(3, [0, 1, 3]))
@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("form", ["map", "iterable"])
def test_step_clock_masks_are_right_with_any_number_of_workers(
    workers: int, accumulation: int, form: str
) -> None:
    """7 batches an epoch: neither the workers nor the accumulation divide them."""
    steps = 2 * -(-7 // accumulation)
    collator = collator_of("words", steps, accumulation_steps=accumulation)
    data: Any = Rows(7) if form == "map" else Stream(7)
    batches = train(loader_of(data, collator, workers), collator, 2)
    assert [batch["row"].tolist()[0] // BATCH for batch in batches] == [*range(7), *range(7)]
    check(batches, 7, accumulation, steps)
    assert collator.clock.steps_done == steps


@pytest.mark.slow
def test_step_clock_with_more_batches_in_a_step_than_a_loader_is_ahead() -> None:
    collator = collator_of("words", 2, accumulation_steps=90)
    check(train(loader_of(Rows(100), collator, 1), collator, 1), 100, 90, 2)


@pytest.mark.parametrize(
    ("form", "prefetch"), one_in(3, [("map", 1), ("map", 12), ("iterable", 5)])
)
@pytest.mark.slow
def test_step_clock_with_any_prefetching(form: str, prefetch: int) -> None:
    collator = collator_of("words", 50)
    data: Any = Rows(25) if form == "map" else Stream(25)
    loader = loader_of(data, collator, 2, prefetch_factor=prefetch)
    check(train(loader, collator, 2), 25, 1, 50)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_step_clock_persistent_workers_start_each_epoch(accumulation: int) -> None:
    steps = 3 * -(-7 // accumulation)
    collator = collator_of("words", steps, accumulation_steps=accumulation)
    loader = loader_of(Rows(7), collator, 2, persistent_workers=True)
    check(train(loader, collator, 3, restart=True), 7, accumulation, steps)


def test_step_clock_persistent_workers_that_are_not_started_are_noticed() -> None:
    collator = collator_of("words", 150)
    loader = loader_of(Rows(5), collator, 2, persistent_workers=True)
    with pytest.raises(RuntimeError, match="start\\(step\\) before each epoch of persistent"):
        train(loader, collator, 30)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "workers", "epochs"), [("spawn", 1, 1), ("forkserver", 2, 2)])
def test_step_clock_in_workers_that_are_not_forked(method: str, workers: int, epochs: int) -> None:
    """Each imports for itself, so that they stay for a second epoch."""
    collator = collator_of("words", 7 * epochs)
    loader = loader_of(
        Rows(7), collator, workers, multiprocessing_context=method, persistent_workers=epochs > 1
    )
    check(train(loader, collator, epochs, restart=epochs > 1), 7, 1, 7 * epochs)


@pytest.mark.parametrize("workers", one_in(2, [0, 2]))
def test_step_clock_an_epoch_left_early_goes_on_at_the_step(workers: int) -> None:
    collator = collator_of("words", 20)
    loader = loader_of(Rows(20), collator, workers)
    for first in (0, 5, 10, 15):
        for turn, batch in enumerate(itertools.islice(loader, 5)):
            assert is_for(batch, first + turn, 20)
            collator.step_done()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("form", ["map", "iterable"])
def test_step_clock_continues_at_a_step(workers: int, form: str) -> None:
    collator = collator_of("words", 12, accumulation_steps=2)
    collator.load_state_dict({"steps_done": 5, "class_loss": None, "recent_losses": None})
    loader = loader_of(Rows(7) if form == "map" else Stream(7), collator, workers)
    assert all(is_for(batch, 5 + turn // 2, 12) for turn, batch in enumerate(loader))


@pytest.mark.parametrize("workers", [0, ONE, 2])
@pytest.mark.parametrize("form", ["map", "iterable"])
def test_step_clock_batches_made_again_and_thrown_away(workers: int, form: str) -> None:
    """A loop that continues within an epoch by passing over its first 5 batches."""
    collator = collator_of("words", 30)
    collator.start(15, -5)
    loader = loader_of(Rows(15) if form == "map" else Stream(15), collator, workers)
    for turn, batch in enumerate(loader):
        if turn >= 5:
            assert is_for(batch, 15 + turn - 5, 30)
            collator.step_done()
    assert collator.clock.steps_done == 25


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.slow
def test_step_clock_batches_of_a_step_carried_over_to_the_next_epoch(workers: int) -> None:
    """A loop that steps every 3 batches wherever epochs of 7 end, and calls `start`."""
    collator = collator_of("words", 7, accumulation_steps=3)
    loader, number = loader_of(Rows(7), collator, workers), 0
    for _ in range(3):
        collator.start(number // 3, number % 3)
        for batch in loader:
            assert is_for(batch, number // 3, 7)
            number += 1
            if number % 3 == 0:
                collator.step_done()


@pytest.mark.slow
def test_step_clock_unequal_workers_of_a_stream_stay_near_the_step() -> None:
    """One worker gives 40 batches and two give none: at most 8 per worker ahead, and no error."""
    collator = collator_of("words", 40)
    loader = loader_of(Stream(0, shares=(40, 0, 0)), collator, 3)
    for turn, batch in enumerate(loader):
        near = range(turn, min(40, turn + 8 * 3 + 2))
        assert any(is_for(batch, step, 40) for step in near)
        collator.step_done()
    assert collator.clock.steps_done == 40


# ---- a loop that does not report its steps ----


@pytest.mark.parametrize("form", ["map", "iterable"])
@pytest.mark.slow
def test_step_clock_notices_a_long_epoch_without_steps(form: str) -> None:
    collator = collator_of("tokens", 200)
    loader = loader_of(Rows(70) if form == "map" else Stream(70), collator, 1)
    with pytest.raises(RuntimeError, match="while 0 steps are done"):
        list(loader)


@pytest.mark.parametrize("workers", one_in(2, [1, 2]))
@pytest.mark.slow
def test_step_clock_notices_short_epochs_without_steps(workers: int) -> None:
    """The second epoch would be masked as the first; a look at some batches is not an epoch."""
    collator = collator_of("tokens", 200)
    loader = loader_of(Rows(25), collator, workers)
    for _ in range(3):
        next(iter(loader))
    assert len(list(loader)) == 25
    with pytest.raises(
        RuntimeError, match="before going through the loader again without training"
    ):
        list(loader)
    collator.start(0)
    assert len(list(loader)) == 25


def test_step_clock_refuses_more_steps_than_planned() -> None:
    collator = collator_of("words", 2)
    collator.step_done()
    collator.step_done()
    with pytest.raises(ValueError, match="step 3 of max_steps=2 is done"):
        collator.step_done()
    assert collator.clock.steps_done == 2


def test_step_clock_batches_ahead_of_the_last_step_count_as_its_own() -> None:
    collator = collator_of("words", 2)
    batches = list(loader_of(Rows(6), collator, 2))
    assert [is_for(batch, min(turn, 1), 2) for turn, batch in enumerate(batches)] == [True] * 6


def test_step_clock_refuses_impossible_steps() -> None:
    for step in (-1, 4):
        with pytest.raises(ValueError, match=f"step={step}. Expected a step from 0 to 3"):
            StepClock(3).start(step)
    with pytest.raises(ValueError, match="max_steps=0"):
        StepClock(0)
    with pytest.raises(ValueError, match="accumulation_steps=0"):
        StepClock(3, accumulation_steps=0)


# ---- class losses in workers ----


def known_at(collator: MaskingCollator, batch: dict[str, Any], step: int) -> list[int]:
    """After how many steps the losses were known with which a batch may have been masked."""
    rows = [row_of(number) for number in batch["row"].tolist()]
    losses = [torch.full((3,), torch.nan), *(losses_after(n) for n in range(1, step + 1))]
    return [
        after
        for after, values in enumerate(losses)
        if same(batch, expected("class loss", rows, step, 200, values))
    ]


def losses_after(steps: int) -> torch.Tensor:
    """Far enough apart that each step's losses give other weights, and so other masks."""
    return torch.tensor([1.0, 2.0 + (7 * steps) % 31, 3.0 + (11 * steps) % 29])


@pytest.mark.parametrize("workers", one_in(2, [0, 2]))
@pytest.mark.slow
def test_step_clock_class_losses_reach_the_workers(workers: int) -> None:
    """At most the 4 batches late that two workers are ahead; never from the future; else exact."""
    collator = collator_of("class loss", 200)
    for step, batch in enumerate(loader_of(Rows(16), collator, workers)):
        latest = known_at(collator, batch, step)
        assert latest, f"losses of no step mask the batch of step {step} so"
        assert max(latest) >= (step - 2 * workers if workers else step)
        collator.step_done(losses_after(step + 1), torch.ones(3))


@pytest.mark.parametrize("workers", one_in(3, [0, 1, 3]))
@pytest.mark.slow
def test_step_clock_lagging_losses_do_not_depend_on_the_workers(workers: int) -> None:
    collator = collator_of("class loss", 200, loss_lag_steps=6)
    for step, batch in enumerate(loader_of(Rows(12), collator, workers)):
        assert max(0, step - 6) in known_at(collator, batch, step)
        collator.step_done(losses_after(step + 1), torch.ones(3))


def test_step_clock_without_workers_is_not_carried_off_by_batches_that_are_not_trained() -> None:
    """Epochs broken off with a batch in hand: at most that one batch ahead, however many epochs."""
    clock = StepClock(40)
    for epoch in range(8):
        for turn in range(5):  # the fifth is fetched and thrown away
            step = clock.next_step()
            trained = 4 * epoch + turn
            assert trained <= step <= trained + 1
            if turn < 4:
                clock.step_done()
