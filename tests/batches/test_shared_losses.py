"""Class losses as loader workers read them: those of a step before, or the nearest known."""

from __future__ import annotations

import torch

from tidemask import ClassLoss
from tidemask.batches.shared_losses import SharedLosses


def test_shared_losses_are_the_nearest_known() -> None:
    """With a memory of one step, each step's loss is the cumulative one."""
    losses = SharedLosses(ClassLoss(["NOUN"], horizon_steps=1.0), lag_steps=2)
    assert losses.read(0).isnan().all()
    for step in range(5):
        losses.update(torch.tensor([step + 1.0]), torch.ones(1), step=step)
    assert [float(losses.read(step)) for step in (0, 5, 6, 7, 9)] == [3, 3, 4, 5, 5]
    other = SharedLosses(ClassLoss(["NOUN"], horizon_steps=1.0), lag_steps=4)
    other.load_state_dict(losses.state_dict())
    assert [float(other.read(step)) for step in (5, 7, 8, 9)] == [3, 3, 4, 5]
