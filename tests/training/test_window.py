"""Logging sums: a window cut in two adds up to the same."""

from __future__ import annotations

import json

import pytest
import torch

from tidemask.training.distributed import StepSums
from tidemask.training.window import Window


def _step(seed: int) -> StepSums:
    generator = torch.Generator().manual_seed(seed)
    sums = StepSums(3)
    losses = torch.rand(10, generator=generator)
    classes = torch.randint(0, 4, (10,), generator=generator)
    one = torch.tensor(10)
    sums.add_counts(normaliser=one, selected=one, maskable=torch.tensor(50), tokens=60)
    sums.add_losses(losses.sum(), losses, classes)
    return sums


def test_step_sums_count_by_class() -> None:
    sums = StepSums(2)
    losses = torch.tensor([1.0, 2.0, 4.0, 8.0])
    sums.add_losses(losses.sum(), losses, torch.tensor([0, 1, 0, 2]))
    sums.add_losses(torch.tensor(0.5), torch.tensor([0.5]), torch.tensor([1]))
    assert sums.class_loss().tolist() == [5.0, 2.5]
    assert sums.class_count().tolist() == [2.0, 2.0]
    assert sums.scalar("loss") == 15.5


def test_window_metrics_are_quotients_of_sums() -> None:
    window = Window()
    steps = [_step(seed) for seed in range(4)]
    for number, sums in enumerate(steps):
        window.add(sums, ratio=0.1 * number)
        window.add_seconds(2.0)
    metrics = window.metrics()
    assert metrics["loss"] == pytest.approx(sum(s.scalar("loss") for s in steps) / 40)
    assert metrics["masking/ratio"] == pytest.approx(0.15)
    assert metrics["masking/realised_ratio"] == pytest.approx(40 / 200)
    assert metrics["tokens_per_second"] == pytest.approx(240 / 8)
    shares = [sum(float(s.class_count()[k]) for s in steps) / 40 for k in range(3)]
    assert window.class_shares() == pytest.approx(shares)


def test_window_state_survives_json_to_the_last_bit() -> None:
    window, copy = Window(), Window()
    for seed in range(3):
        window.add(_step(seed), ratio=1 / 3)
        window.add_seconds(0.1)
    copy.load_state_dict(json.loads(json.dumps(window.state_dict())))
    for one in (window, copy):
        one.add(_step(9), ratio=0.2)
    assert copy == window
    window.start_anew()
    assert window.num_steps == 0
    assert window.total_selected == 40
    assert window.class_shares() == []
