"""Parts by sequence: drawn by their shares, by step and sample alone, apart from all other draws.

The part of a sequence is seen at a ratio of 1: each part's corruption leaves another trace.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases import all_cases, random_examples
from law_policies import ESM3, MASK_ID, MAX_STEPS, SEQUENCES, masked_by, masker_of, text
from masking_texts import rows
from tidemask.masking.corruption import Corruption
from tidemask.masking.policy_part import SequencePart
from tidemask.masking.schedule import Linear

LEVEL = 1e-5
TRACES = (
    Corruption(mask=1.0, random=0.0, keep=0.0),
    Corruption(mask=0.0, random=0.0, keep=1.0),
    Corruption(mask=0.0, random=1.0, keep=0.0),
)


def with_traces(*shares):
    parts = zip(shares, TRACES, strict=True)
    return tuple(SequencePart(share=share, corruption=corruption) for share, corruption in parts)


def parts_of(masker, batch, **at):
    """The part of each sequence, from what is shown of it."""
    masked = masked_by(masker, batch, **at)
    ids, labels, at_selected = masked.input_ids, masked.labels, masked.selected
    assert at_selected.sum(1).min() > 5
    hidden = ((ids == MASK_ID) | ~at_selected).all(1)
    kept = ((ids == labels) | ~at_selected).all(1)
    return torch.where(hidden, 0, torch.where(kept, 1, 2)).numpy()


@pytest.fixture(scope="module")
def many():
    batch = text(20_000, 14, seed=21)
    return rows(batch, batch.maskable.sum(1) > 5)


@all_cases("shares", [(0.8, 0.15, 0.05), (1 / 3, 1 / 3, 1 / 3), (0.5, 0.0, 0.5), (0.0, 0.0, 1.0)])
def test_law_of_sequences_parts_are_drawn_by_their_shares(many, shares):
    drawn = np.bincount(parts_of(masker_of(1.0, sequences=with_traces(*shares)), many), minlength=3)
    num = len(many.sample_ids)
    for count, share in zip(drawn, shares, strict=True):
        assert stats.binomtest(int(count), num, share).pvalue > LEVEL / 12


@all_cases("step", [0, 253, 760, MAX_STEPS])
def test_law_of_sequences_shares_are_those_of_the_step(many, step):
    shares = Linear(start=1.0, end=0.0), Linear(start=0.0, end=0.7), Linear(start=0.0, end=0.3)
    drawn = parts_of(masker_of(1.0, sequences=with_traces(*shares)), many, step=step)
    expected = [1 - step / MAX_STEPS, 0.7 * step / MAX_STEPS, 0.3 * step / MAX_STEPS]
    for count, share in zip(np.bincount(drawn, minlength=3), expected, strict=True):
        assert stats.binomtest(int(count), len(drawn), share).pvalue > LEVEL / 12


@all_cases("other", [{"step": 612}, {"step": 1}, {"seed": 6}])
def test_law_of_sequences_parts_of_other_steps_and_seeds_are_independent(many, other):
    masker = masker_of(1.0, sequences=with_traces(0.4, 0.3, 0.3))
    one, two = parts_of(masker, many), parts_of(masker, many, **other)
    table = np.bincount(3 * one + two, minlength=9).reshape(3, 3)
    assert stats.chi2_contingency(table).pvalue > LEVEL


def test_law_of_sequences_parts_of_neighbouring_samples_are_independent(many):
    """Samples numbered one after the other, as a corpus numbers them."""
    batch = replace(many, sample_ids=torch.arange(len(many.sample_ids)))
    drawn = parts_of(masker_of(1.0, sequences=with_traces(0.4, 0.3, 0.3)), batch)
    table = np.bincount(3 * drawn[:-1] + drawn[1:], minlength=9).reshape(3, 3)
    assert stats.chi2_contingency(table).pvalue > LEVEL


def test_law_of_sequences_parts_do_not_follow_the_ratio_of_the_sequence():
    """The part of a sequence and its part of a mixture of ratios are two draws, of two purposes."""
    batch = text(6000, 120, seed=22)
    parts = with_traces(0.4, 0.3, 0.3)
    masked = masked_by(masker_of(0.3, per_sequence=ESM3, budget="fixed", sequences=parts), batch)
    realised = (masked.selected.sum(1) / batch.maskable.sum(1)).numpy()
    assert realised.std() > 0.15
    part_at_this_step = parts_of(masker_of(1.0, sequences=parts), batch)
    of_parts = [realised[part_at_this_step == part] for part in range(3)]
    assert stats.kruskal(*of_parts).pvalue > LEVEL
    assert stats.ks_2samp(of_parts[0], of_parts[1]).pvalue > LEVEL
    alone = masked_by(masker_of(0.3, per_sequence=ESM3, budget="fixed"), batch)
    assert torch.equal(alone.selected, masked.selected)


def shown(masked):
    """What a step makes of a batch, of each sequence by itself."""
    return masked.input_ids, masked.labels, masked.selected


@given(st.integers(0, 2**31), st.sampled_from(["parts", "parts and ratios"]))
@random_examples(60)
def test_law_of_sequences_batches_and_their_order_decide_nothing(seed, name):
    """Any sequences of a batch, in any order, are masked as they are in the whole batch."""
    batch, rng = text(9, 40, seed), np.random.default_rng(seed)
    ratios = {"per_sequence": ESM3} if name == "parts and ratios" else {}
    masker = masker_of(0.3, sequences=SEQUENCES, **ratios)
    chosen = torch.tensor(rng.permutation(9)[: rng.integers(1, 10)])
    whole, few = masked_by(masker, batch), masked_by(masker, rows(batch, chosen))
    for of_whole, of_few in zip(shown(whole), shown(few), strict=True):
        assert torch.equal(of_whole[chosen], of_few)
