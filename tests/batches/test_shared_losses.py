"""Class losses as loader workers read them: those of a step before, or the nearest known."""

from __future__ import annotations

import torch

from tidemask.batches.shared_losses import SharedLosses


def test_shared_losses_are_the_nearest_known() -> None:
    losses = SharedLosses(1, lag_steps=2)
    assert losses.read(0).isnan().all()
    for steps in range(1, 6):
        losses.write(torch.tensor([float(steps)]), steps)
    assert [float(losses.read(step)) for step in (0, 5, 6, 7, 9)] == [3, 3, 4, 5, 5]
    other = SharedLosses(1, lag_steps=4)
    other.load_state(losses.state())
    assert [float(other.read(step)) for step in (5, 7, 8, 9)] == [3, 3, 4, 5]
