"""The collator's state: class losses, how far they lag, what is saved and what is pickled."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest
import torch

from cases import one_in
from collators import collator_of, expected, row_of, same, zeros
from tidemask import Batch, MaskingCollator, MaskingSettings
from tidemask.masking.weighting import ByFunction

LOSSES = torch.tensor([30.0, 80.0, 0.0])
COUNTS = torch.tensor([10.0, 20.0, 0.0])


def test_collator_masks_by_the_losses_of_the_steps_before() -> None:
    """Exactly current where batches are made in the loop; unseen classes are NaN."""
    rows, collator = [row_of(i) for i in range(4)], collator_of("class loss", 4)
    assert same(collator(rows), expected("class loss", rows, 0, 4))
    collator.step_done(LOSSES, COUNTS)
    known = torch.tensor([3.0, 4.0, math.nan])
    assert same(collator(rows), expected("class loss", rows, 1, 4, known))
    assert not same(collator(rows), expected("class loss", rows, 2, 4))


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_collator_losses_may_lag_a_fixed_number_of_steps(lag: int) -> None:
    collator = collator_of("class loss", 8, loss_lag_steps=lag)
    rows, known = [row_of(i) for i in range(4)], [torch.full((3,), math.nan)]
    for step in range(8):
        losses = known[max(0, step - lag)]
        assert same(collator(rows), expected("class loss", rows, step, 8, losses))
        sums = torch.tensor([1.0, 2.0, float(step)])
        collator.step_done(sums, torch.ones(3))
        known.append(sums)
        if step == 4:
            saved, collator = collator, collator_of("class loss", 8, loss_lag_steps=lag)
            collator.load_state_dict(json.loads(json.dumps(saved.state_dict())))


def test_collator_refuses_losses_that_are_not_wanted_or_missing() -> None:
    with pytest.raises(
        ValueError, match=r"class losses given to step_done with masking.content.weighting=uniform"
    ):
        collator_of("words", 2).step_done(LOSSES, COUNTS)
    for arguments in ([], [LOSSES], [None, COUNTS]):
        with pytest.raises(ValueError, match="policy that learns from class losses"):
            collator_of("class loss", 2).step_done(*arguments)
    with pytest.raises(ValueError, match="loss_lag_steps=-1"):
        collator_of("class loss", 2, loss_lag_steps=-1)
    with pytest.raises(ValueError, match=r"loss_lag_steps=1152921504606846976\. Expected"):
        collator_of("words", 2, loss_lag_steps=2**60)


def test_collator_refuses_a_loss_that_is_not_finite() -> None:
    collator = collator_of("class loss", 4)
    collator.step_done(LOSSES, COUNTS)
    before = collator.state_dict()
    with pytest.raises(ValueError, match="not finite at step 1 for NOUN"):
        collator.step_done(torch.tensor([1.0, math.nan, 1.0]), COUNTS)
    assert collator.state_dict() == before


@pytest.mark.parametrize("policy", one_in(3, ["words", "class loss", "loss of entries"]))
def test_collator_continues_from_its_state(policy: str) -> None:
    """Saved as JSON at any step, the rest is masked as without a break."""
    rows = [row_of(i) for i in range(3)]

    def train(collator: MaskingCollator, steps: range) -> list[dict[str, Any]]:
        batches = []
        for step in steps:
            batches.append(collator(rows))
            sums = zeros(collator)
            if sums:
                rng = torch.Generator().manual_seed(step)
                sums = [torch.rand(len(sums[0]), generator=rng), torch.ones_like(sums[0])]
            collator.step_done(*sums)
        return batches

    whole = train(collator_of(policy, 6), range(6))
    for stop in range(6):
        first, second = collator_of(policy, 6), collator_of(policy, 6)
        train(first, range(stop))
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        rest = train(second, range(stop, 6))
        assert all(same(a, b) for a, b in zip(rest, whole[stop:], strict=True))


def test_collator_refuses_the_state_of_another_policy() -> None:
    for theirs, ours in (("words", "class loss"), ("class loss", "words")):
        with pytest.raises(ValueError, match=r"class losses in the saved state: (True|False), in"):
            collator_of(ours, 2).load_state_dict(collator_of(theirs, 2).state_dict())
    with pytest.raises(ValueError, match="class loss of other classes"):
        collator_of("class loss", 2).load_state_dict(collator_of("loss of entries", 2).state_dict())


def by_id(batch: Batch) -> torch.Tensor:
    return 1.0 + batch.input_ids % 3


def test_collator_pickles_with_its_step_and_losses() -> None:
    rows, collator = [row_of(i) for i in range(4)], collator_of("class loss", 4)
    model = torch.nn.Linear(1, 1)
    collator.is_training = lambda: model.training
    collator.step_done(LOSSES, COUNTS)
    known = torch.tensor([3.0, 4.0, math.nan])
    assert same(
        pickle.loads(pickle.dumps(collator))(rows), expected("class loss", rows, 1, 4, known)
    )
    model.eval()
    assert "token_class" not in pickle.loads(pickle.dumps(collator))(rows)
    settings = MaskingSettings(content=ByFunction())
    assert pickle.loads(pickle.dumps(collator_of(settings, 2, weight_of=by_id)))(rows)
