"""Micro-batches, words of the device and layout: the same masks to the last bit."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from cases import all_cases
from law_policies import CONTENTS, ESM3, MIXTURES, SEQUENCES, UNITS, masked_by, masker_of, text
from masking_texts import changed, rows, tensors_of
from tidemask.masking.policy_part import PolicyPhase

PHASES = (
    PolicyPhase(until=0.6, unit="word", content=MIXTURES["uniform and scores"]),
    PolicyPhase(until=1.0, **UNITS["group"], content=MIXTURES["accuracy and scores"]),
)
OF_CONTENTS = [
    *product(MIXTURES, UNITS),
    *product(["scores", "entities", "entries", "accuracy", "model score"], ["token", "group"]),
]
POLICIES = {
    **{
        f"{name}, {unit}": {"unit": unit, "content": (CONTENTS | MIXTURES)[name]}
        for name, unit in OF_CONTENTS
    },
    "sequences": {"sequences": SEQUENCES},
    "phases": {"phases": PHASES},
    "ratios of ESM3": {"per_sequence": ESM3, "content": MIXTURES["part of weight 0"]},
    "ratios of ESM3 and sequences": {"per_sequence": ESM3, "sequences": SEQUENCES},
}
SPLITS = [[1, 12], [4, 4, 5]]


@pytest.fixture(scope="module")
def batch():
    return text(13, 57, seed=31)


def masker_for(name):
    expected = {"loss_weight": "inverse_inclusion"}
    return masker_of(0.2, **POLICIES[name], **expected)


def assert_same_bits(one, other):
    for name, value in tensors_of(one).items():
        if name != "shortfall":
            assert torch.equal(value, getattr(other, name)), name


@all_cases("name", [*POLICIES])
def test_law_of_micro_batches_any_split_gives_the_same_bits(batch, name):
    masker = masker_for(name)
    whole = masked_by(masker, batch)
    assert whole.selected.any()
    for split in SPLITS:
        begin = 0
        for size in split:
            index = torch.arange(begin, begin + size)
            assert_same_bits(rows(whole, index), masked_by(masker, rows(batch, index)))
            begin += size
        assert begin == 13


@pytest.mark.slow
@all_cases("name", [*POLICIES])
def test_law_of_micro_batches_words_and_layout_are_no_part_of_the_masks(batch, name):
    """Ids in 32 bits, as a device may have them, and tensors that are slices of wider ones."""
    masker = masker_for(name)
    whole = masked_by(masker, batch)
    short = masked_by(masker, replace(batch, input_ids=batch.input_ids.to(torch.int32)))
    assert torch.equal(short.input_ids.to(torch.int64), whole.input_ids)
    assert torch.equal(short.selected, whole.selected)
    strided = changed(
        batch, lambda value: value.repeat_interleave(2, -1)[..., ::2] if value.dim() > 1 else value
    )
    assert not strided.input_ids.is_contiguous()
    assert_same_bits(whole, masked_by(masker, strided))


@all_cases("name", [*POLICIES])
def test_law_of_micro_batches_batch_stays_as_it_was(batch, name):
    before = changed(batch, torch.clone)
    masked_by(masker_for(name), batch)
    for field, value in tensors_of(batch).items():
        assert torch.equal(value, getattr(before, field)), field
    for field, value in batch.columns.items():
        assert torch.equal(value, before.columns[field]), field
