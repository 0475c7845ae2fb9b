"""Weights of vocabulary entries from a table: chances, the weight of the others, refusals."""

import math

import numpy as np
import pytest
import torch

from masking_texts import MAX_STEPS, VOCABULARY, masked_by, random_batch, repeated, slow_inclusion
from tidemask.masking.masker import Masker
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Constant, Linear
from tidemask.masking.weighting import ByEntries

LISTED = torch.where(torch.arange(50) % 3 == 0, math.nan, torch.arange(50.0) % 7).double()
"""Every third entry has none, every seventh of the others a weight of 0."""


def masker_of(listed=LISTED, *, unit="token", ratio=0.3, **content):
    settings = MaskingSettings(
        unit=unit,
        ratio=Constant(ratio=ratio),
        content=ByEntries(weights="w.tsv", **content),
        loss_weight="inverse_inclusion",
    )
    given = {"w.tsv": listed} if listed is not None else None
    return Masker(settings, VOCABULARY, max_steps=MAX_STEPS, entry_weights=given)


def test_entries_are_drawn_by_their_weights_and_the_others_by_theirs():
    batch = random_batch(np.random.default_rng(61), 3, 12)
    masked = masked_by(masker_of(others=2.5), repeated(batch, 1000))
    for row in range(3):
        weights = LISTED.nan_to_num(nan=2.5)[batch.input_ids[row]].numpy()
        maskable = batch.maskable[row].numpy()
        expected = slow_inclusion(np.ones(maskable.sum()), weights[maskable], 0.3)
        seen = np.zeros(12)
        for copy in range(row, 3000, 3):
            drawn = masked.selected[copy].numpy()
            seen[drawn] = 1 / masked.loss_weight[copy].numpy()[drawn]
        np.testing.assert_allclose(seen[maskable], expected, rtol=3e-5, atol=1e-9)


def test_blend_goes_towards_the_weight_of_one():
    batch = random_batch(np.random.default_rng(62), 20, 30)
    ones = masker_of(torch.ones(50))
    blended = masker_of(blend=Linear(start=0.0, end=1.0))
    assert torch.equal(
        masked_by(blended, batch, progress=0.0).selected,
        masked_by(ones, batch, progress=0.0).selected,
    )
    assert not torch.equal(
        masked_by(blended, batch, progress=1.0).selected,
        masked_by(ones, batch, progress=1.0).selected,
    )


def test_weights_of_zero_cap_the_budget():
    listed = torch.where(torch.arange(50) == 7, 1.0, math.nan)
    batch = random_batch(np.random.default_rng(63), 20, 30)
    masked = masked_by(masker_of(listed, others=0.0, ratio=0.9), batch)
    assert bool((batch.input_ids[masked.selected] == 7).all())
    budget = 0.9 * int(batch.maskable.sum())
    missing = budget - int(((batch.input_ids == 7) & batch.maskable).sum())
    assert float(masked.shortfall) == pytest.approx(missing)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (None, r"^entry_weights\['w.tsv'\]=None\. Expected a weight for each of 50"),
        (torch.ones(49), r"^entry_weights\['w.tsv'\]=\(49,\)\. Expected"),
        (torch.where(torch.arange(50) == 9, -1.0, 1.0), r"^entry_weights\['w.tsv'\]\[9\]=-1\."),
        (torch.where(torch.arange(50) == 9, math.inf, 1.0), r"\['w.tsv'\]\[9\]=inf\."),
        (torch.zeros(50), r"Expected finite weights of at least 0, one of them above 0"),
    ],
)
def test_wrong_tables_of_entries_are_refused(listed, message):
    with pytest.raises(ValueError, match=message):
        masker_of(listed)


def test_negative_weight_of_the_others_is_refused():
    with pytest.raises(ValueError, match=r"^others=-1\. Expected a number of at least 0"):
        ByEntries(weights="w.tsv", others=-1.0)
