"""Logging sums: a window cut in two adds up to the same."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch

from tidemask.masking.batch import MaskedBatch
from tidemask.training.logging_window import LoggingWindow
from tidemask.training.masked_step import count_tokens
from tidemask.training.step_sums import StepSums, StepTotals


def _masked(*, selected: int, corrupted: int, maskable: int) -> MaskedBatch:
    ids = torch.zeros(1, 60, dtype=torch.int64)

    def first(count: int) -> torch.Tensor:
        return (torch.arange(60) < count).unsqueeze(0)

    return MaskedBatch(
        input_ids=ids,
        labels=ids,
        selected=first(selected),
        corrupted=first(corrupted),
        maskable=first(maskable),
    )


def _sums(masked: MaskedBatch, num_micro_batches: int = 1, **sizes: int) -> StepSums:
    return StepSums(count_tokens(masked), num_micro_batches=num_micro_batches, **sizes)


def _step(seed: int, shortfall: float | None = None) -> StepTotals:
    generator = torch.Generator().manual_seed(seed)
    masked = _masked(selected=10, corrupted=15, maskable=50)
    if shortfall is not None:
        masked = replace(masked, shortfall=torch.tensor(shortfall))
    sums = _sums(masked, num_classes=3)
    losses = torch.rand(10, generator=generator)
    classes = torch.randint(0, 4, (10,), generator=generator)
    sums.add_losses(losses.sum(), losses, classes, torch.zeros(10, dtype=torch.int64))
    return sums.totals()


EMPTY = _masked(selected=0, corrupted=0, maskable=0)


def test_step_sums_count_by_class() -> None:
    sums = _sums(EMPTY, num_micro_batches=2, num_classes=2)
    losses = torch.tensor([1.0, 2.0, 4.0, 8.0])
    targets = torch.tensor([7, 3, 7, 7])
    sums.add_losses(losses.sum(), losses, torch.tensor([0, 1, 0, 2]), targets)
    sums.add_losses(torch.tensor(0.5), torch.tensor([0.5]), torch.tensor([1]), targets[1:2])
    totals = sums.totals()
    assert totals.class_loss.tolist() == [5.0, 2.5]
    assert totals.class_count.tolist() == [2.0, 2.0]
    assert totals.loss == 15.5


def test_step_sums_keep_the_names_of_the_counts() -> None:
    counts = _step(0, shortfall=2.5).counts
    assert counts._asdict() == {
        "normaliser": 10, "selected": 10, "corrupted": 15, "maskable": 50, "tokens": 60,
        "shortfall": 2.5,
    }  # fmt: skip


def test_step_sums_count_by_vocabulary_entry() -> None:
    sums = _sums(EMPTY, num_micro_batches=2, num_classes=0, vocab_size=9)
    losses = torch.tensor([1.0, 2.0, 4.0])
    for _ in range(2):
        sums.add_losses(
            losses.sum(), losses, torch.zeros(3, dtype=torch.int64), torch.tensor([7, 3, 7])
        )
    totals = sums.totals()
    loss, count = totals.vocabulary_loss, totals.vocabulary_count
    assert {i: x for i, x in enumerate(loss.tolist()) if x} == {3: 4.0, 7: 10.0}
    assert {i: x for i, x in enumerate(count.tolist()) if x} == {3: 2.0, 7: 4.0}


def test_window_logs_a_shortfall_only_where_there_is_one() -> None:
    window = LoggingWindow()
    window.add(_step(0), ratio=0.3)
    assert "masking/shortfall" not in window.metrics()
    window.add(_step(0, shortfall=5.0), ratio=0.3)
    assert window.metrics()["masking/shortfall"] == pytest.approx(5 / 100)


def test_window_metrics_are_quotients_of_sums() -> None:
    window = LoggingWindow()
    steps = [_step(seed) for seed in range(4)]
    for number, step in enumerate(steps):
        window.add(step, ratio=0.1 * number)
        window.add_seconds(2.0)
    metrics = window.metrics()
    assert metrics["loss"] == pytest.approx(sum(s.loss for s in steps) / 40)
    assert metrics["masking/ratio"] == pytest.approx(0.15)
    assert metrics["masking/realised_ratio"] == pytest.approx(60 / 200)
    assert metrics["tokens_per_second"] == pytest.approx(240 / 8)
    shares = [sum(float(s.class_count[k]) for s in steps) / 40 for k in range(3)]
    assert window.class_shares() == pytest.approx(shares)


def test_window_state_survives_json_to_the_last_bit() -> None:
    window = LoggingWindow()
    for seed in range(3):
        window.add(_step(seed), ratio=1 / 3)
        window.add_seconds(0.1)
    copy = LoggingWindow(**json.loads(json.dumps(asdict(window))))
    for state in (window, copy):
        state.add(_step(9), ratio=0.2)
    assert copy == window
    window = window.following()
    window.add_seconds(0.5, num_devices=4)
    assert window.metrics()["wall_seconds"] == pytest.approx(0.8)
    assert window.metrics()["device_seconds"] == pytest.approx(0.3 + 4 * 0.5)
    assert window.num_steps == 0
    assert window.total_selected == 40
    assert window.class_shares() == []
