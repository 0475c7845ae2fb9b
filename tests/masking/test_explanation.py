"""What is said of a draw, against the draws themselves and what the masker says of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from cases import one_in
from masking_texts import (
    CONTENTS,
    LATE,
    LOSSES,
    UNITS,
    masked_by,
    masker_of,
    random_batch,
    repeated,
    slow_words,
)
from tidemask.masking.explanation import explained
from tidemask.masking.mixture import ByMixture, ContentPart
from tidemask.masking.noise import StepKey
from tidemask.masking.part import AtStep
from tidemask.masking.policy_part import PolicyPhase, SequencePart
from tidemask.masking.sequence_ratio import UniformAround
from tidemask.masking.weighting import ByTable, Uniform

AT = AtStep(0.5, StepKey(1, LATE), LOSSES)
TABLE = ByTable(weights={"DET": 0.5, "NOUN": 3.0}, others=1.0)
MIXTURE = ByMixture(
    parts=(ContentPart(share=0.3, content=TABLE), ContentPart(share=0.7, content=Uniform()))
)
PARTS = (
    SequencePart(share=0.4, unit="span"),
    SequencePart(share=0.6, content=MIXTURE),
)


def batch_of(num_sequences=24, length=40, seed=3):
    return random_batch(np.random.default_rng(seed), num_sequences, length, documents=0.05)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    "content", one_in(4, [TABLE, MIXTURE, CONTENTS["column"], CONTENTS["class loss"]])
)
def test_explained_chances_are_those_that_losses_are_divided_by(unit, content):
    masker = masker_of(0.3, unit, content, loss_weight="inverse_inclusion")
    batch = batch_of()
    masked = masked_by(masker, batch)
    chances = torch.stack([one.inclusion for one in explained(masker, batch, AT)])
    selected = masked.selected
    assert bool(selected.any())
    torch.testing.assert_close(
        chances[selected].reciprocal(), masked.loss_weight[selected].double(), rtol=2e-5, atol=0
    )
    budget = 0.3 * batch.maskable.sum(1).double()
    torch.testing.assert_close(chances.sum(1), budget, rtol=1e-4, atol=1e-4)
    assert not bool(chances[~batch.maskable].any())


@pytest.mark.parametrize(
    "policy", [{"content": MIXTURE}, {"sequences": PARTS}, {"budget": "fixed"}]
)
def test_explained_positions_are_due_to_a_weighting_where_they_are_drawn(policy):
    masker, batch = masker_of(0.3, **policy), batch_of()
    found = explained(masker, batch, AT)
    due_to = torch.stack([one.due_to for one in found])
    assert torch.equal(due_to >= 0, masked_by(masker, batch).corrupted)
    assert int(due_to.max()) == int("budget" not in policy)
    for row, one in enumerate(found):
        assert (one.inclusion is None) == ("budget" in policy)
        if one.part == 1 or "sequences" not in policy:
            assert one.unit.tolist() == slow_words(batch, row)


def test_explained_mixture_draws_by_each_weighting_as_that_one_would():
    """Each position falls to a weighting with its share times the chance under it alone."""
    batch, times = batch_of(2, 30), 4000
    many = repeated(batch, times)
    due_to = torch.stack([one.due_to for one in explained(masker_of(content=MIXTURE), many, AT)])
    for number, part in enumerate(MIXTURE.parts):
        alone = explained(masker_of(content=part.content), batch, AT)
        chances = torch.stack([one.inclusion for one in alone]) * part.share
        counts = (due_to == number).view(times, *batch.input_ids.shape).sum(0)
        firsts = torch.stack([one.unit for one in alone]) == torch.arange(30)
        of_units = batch.maskable & firsts
        for count, chance in zip(
            counts[of_units].tolist(), chances[of_units].tolist(), strict=True
        ):
            assert stats.binomtest(count, times, chance).pvalue > 1e-6


def test_explained_weights_are_multiples_of_their_mean():
    batch = batch_of()
    (first, *_) = explained(masker_of(0.2, "token", TABLE), batch, AT)
    maskable, classes = batch.maskable[0], batch.token_class[0]
    table = torch.tensor([0.5, 3.0, *[1.0] * 254])[classes.long()]
    expected = torch.where(maskable, table / table[maskable].mean(), 0.0)
    torch.testing.assert_close(first.weight, expected.double(), rtol=1e-6, atol=0)


def test_explained_parts_and_ratios_are_those_of_each_sequence():
    phases = (PolicyPhase(until=0.5), PolicyPhase(until=1.0, unit="token"))
    batch = batch_of()
    assert {one.part for one in explained(masker_of(phases=phases), batch, AT)} == {1}
    found = explained(masker_of(0.3, per_sequence=UniformAround(half_width=0.2)), batch, AT)
    assert len({one.ratio for one in found}) == len(found)
    for one, maskable in zip(found, batch.maskable, strict=True):
        assert 0.1 < one.ratio <= 0.5
        assert float(one.inclusion[maskable].max()) == pytest.approx(one.ratio)
    assert {one.ratio for one in explained(masker_of(0.3), batch, AT, ratio=0.1)} == {0.1}
