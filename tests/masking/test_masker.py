"""The masker's contracts over units, weightings, budgets and shapes."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import pad

from cases import all_cases, random_examples
from masking_texts import (
    CONTENTS,
    LATE,
    ONLY_NOUNS,
    UNITS,
    VOCABULARY,
    changed,
    clone,
    masked_by,
    masker_of,
    random_batch,
    rows,
    slow_units,
    tensors_of,
)
from tidemask.masking.batch import IGNORE_INDEX
from tidemask.masking.corruption import Corruption
from tidemask.masking.noise import StepKey
from tidemask.masking.schedule import Constant, Linear
from tidemask.masking.sequence_ratio import BetaAround, Same, UniformAround
from tidemask.masking.weighting import Uniform

quick = random_examples(40)
KEY = StepKey(1, LATE)
BUDGETS = ["expected", "fixed"]
# Made here: the types of what settings are made of are checked on items chosen at random, and
# hypothesis allows no random numbers but its own where examples are drawn.
PREDICTIONS = ["all", Constant(ratio=0.1)]
DISTRIBUTIONS = [Same(), Same(), UniformAround(), BetaAround()]
CORRUPTIONS = [Corruption(), Corruption(mask=1.0, random=0.0, keep=0.0)]


@st.composite
def batches(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    batch = random_batch(
        rng,
        draw(st.integers(0, 4)),
        draw(st.integers(0, 45)),
        maskable=draw(st.sampled_from([0.0, 0.5, 0.9, 1.0])),
        starts=draw(st.sampled_from([0.0, 0.3, 0.7, 1.0])),
        documents=draw(st.sampled_from([None, 0.1])),
        dtype=draw(st.sampled_from([torch.int16, torch.int32, torch.int64])),
    )
    if draw(st.booleans()):
        ends = torch.tensor(rng.integers(0, batch.input_ids.shape[1] + 1, len(batch.input_ids)))
        attended = torch.arange(batch.input_ids.shape[1]) < ends[:, None]
        batch = replace(batch, maskable=batch.maskable & attended, attention_mask=attended)
    return batch


ratios = st.floats(0, 1) | st.sampled_from([0.0, 0.02, 0.15, 1.0])


@st.composite
def policies(draw, **fixed):
    policy = {
        "content": draw(st.sampled_from([*CONTENTS.values(), ONLY_NOUNS])),
        "budget": draw(st.sampled_from(BUDGETS)),
        "prediction": draw(st.sampled_from(PREDICTIONS)),
        "per_sequence": draw(st.sampled_from(DISTRIBUTIONS)),
        "corruption": draw(st.sampled_from(CORRUPTIONS)),
    }
    unit = draw(st.sampled_from(list(UNITS)))
    policy.update(fixed)
    budget_allows = policy["budget"] == "expected" or unit == "token"
    if isinstance(policy["content"], Uniform) and budget_allows:
        policy["loss_weight"] = draw(st.sampled_from(["one", "inverse_ratio"]))
    return partial(masker_of, draw(ratios), unit, **policy)


def units_of(batch, row, masker):
    """Maskable positions of each unit of a row."""
    units = {}
    for position, start in enumerate(slow_units(batch, row, masker, KEY)):
        if batch.maskable[row, position]:
            units.setdefault(start, []).append(position)
    return list(units.values())


def assert_same(one, other):
    for name, value in tensors_of(one).items():
        if name != "shortfall":
            assert torch.equal(value, getattr(other, name)), name


@given(batches(), policies())
@quick
def test_labels_and_inputs_agree_off_the_selection(batch, policy):
    masker = policy()
    masked = masked_by(masker, batch)
    selected, corrupted = masked.selected, masked.corrupted
    assert not (corrupted & ~batch.maskable).any()
    assert not (selected & ~corrupted).any()
    assert torch.equal(masked.labels[selected], batch.input_ids[selected])
    assert (masked.labels[~selected] == IGNORE_INDEX).all()
    assert torch.equal(masked.input_ids[~corrupted], batch.input_ids[~corrupted])
    changed = masked.input_ids[masked.input_ids != batch.input_ids]
    assert ((changed >= 5) | (changed == VOCABULARY.mask_id)).all()


@given(batches(), policies())
@quick
def test_inputs_are_not_changed_and_what_describes_them_is_passed_on(batch, policy):
    masker = policy()
    kept = clone(batch)
    masked = masked_by(masker, batch)
    for name, value in tensors_of(kept).items():
        assert torch.equal(getattr(batch, name), value), name
    assert masked.input_ids.dtype == masked.labels.dtype == batch.input_ids.dtype
    assert masked.selected.dtype == masked.corrupted.dtype == torch.bool
    for name in ("maskable", "token_class", "document_starts", "attention_mask"):
        assert getattr(masked, name) is getattr(batch, name), name
    for name, value in tensors_of(masked).items():
        assert value.device == batch.input_ids.device, name
        assert name == "shortfall" or value.shape == batch.input_ids.shape, name


@given(batches(), policies())
@quick
def test_unit_is_masked_whole_or_not_at_all(batch, policy):
    masker = policy()
    masked = masked_by(masker, batch)
    for row in range(len(batch.input_ids)):
        for positions in units_of(batch, row, masker):
            assert masked.corrupted[row, positions].sum() in (0, len(positions))
            assert masked.selected[row, positions].sum() in (0, len(positions))


@given(batches(), policies(budget="fixed", per_sequence=Same()))
@quick
def test_fixed_budget_is_met_but_for_one_unit(batch, policy):
    """A cap on it, where weights are 0, holds for each sequence by itself."""
    masker = policy()
    ratio = masker.ratio(0.5)
    for row in range(len(batch.input_ids)):
        masked = masked_by(masker, rows(batch, slice(row, row + 1)))
        budget = ratio * int(batch.maskable[row].sum()) - float(masked.shortfall or 0.0)
        largest = max([len(unit) for unit in units_of(batch, row, masker)], default=1)
        assert abs(int(masked.num_corrupted()) - budget) < largest + 1e-9


@given(
    batches(),
    st.sampled_from(list(UNITS)),
    st.sampled_from(list(CONTENTS.values())),
    st.sampled_from(BUDGETS),
)
@quick
def test_ratio_zero_selects_nothing_and_one_everything(batch, unit, content, budget):
    nothing = masked_by(masker_of(0.0, unit, content, budget=budget), batch)
    assert not nothing.corrupted.any()
    assert torch.equal(nothing.input_ids, batch.input_ids)
    everything = masked_by(masker_of(1.0, unit, content, budget=budget), batch)
    assert torch.equal(everything.selected, batch.maskable)
    assert not float(everything.shortfall or 0.0)


@given(batches(), policies(), st.randoms())
@quick
def test_order_other_sequences_and_micro_batches_do_not_matter(batch, policy, random):
    masker = policy()
    num_sequences = len(batch.input_ids)
    whole = masked_by(masker, batch)
    order = random.sample(range(num_sequences), num_sequences)
    assert_same(masked_by(masker, rows(batch, order)), rows(whole, order))
    cut = random.randint(0, num_sequences)
    for part in (slice(0, cut), slice(cut, None)):
        assert_same(masked_by(masker, rows(batch, part)), rows(whole, part))


@given(batches(), policies(), st.integers(0, 9))
@quick
def test_padding_at_the_end_does_not_matter(batch, policy, num_padding):
    masker = policy()
    length = batch.input_ids.shape[1]
    padded = changed(
        batch, lambda value: pad(value, (0, num_padding)) if value.dim() == 2 else value
    )
    wide, narrow = masked_by(masker, padded), masked_by(masker, batch)
    for name in ("selected", "corrupted", "input_ids", "labels"):
        assert torch.equal(getattr(wide, name)[:, :length], getattr(narrow, name)), name
    assert not wide.corrupted[:, length:].any()


@all_cases("budget", BUDGETS)
@all_cases("content", CONTENTS)
@all_cases("unit", UNITS)
@pytest.mark.slow
def test_key_decides_the_mask(unit, content, budget):
    batch = random_batch(np.random.default_rng(3), 4, 64)
    policy = {"content": CONTENTS[content], "budget": budget, "prediction": Constant(ratio=0.2)}
    masker = masker_of(0.3, unit, **policy)
    masked = masked_by(masker, batch)
    assert_same(masked_by(masker_of(0.3, unit, **policy), batch), masked)
    others = [masked_by(masker, batch, step=LATE + 1), masked_by(masker, batch, seed=2)]
    other_samples = replace(batch, sample_ids=batch.sample_ids ^ 1)
    for other in (*others, masked_by(masker, other_samples)):
        assert not torch.equal(other.selected, masked.selected)
        assert not torch.equal(other.corrupted, masked.corrupted)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32])
def test_ids_of_any_width_are_masked_alike(dtype):
    batch = random_batch(np.random.default_rng(4), 4, 64)
    masker = masker_of(0.3, content=CONTENTS["frequency"])
    narrow = masked_by(masker, replace(batch, input_ids=batch.input_ids.to(dtype)))
    wide = masked_by(masker, batch)
    assert torch.equal(narrow.selected, wide.selected)
    assert torch.equal(narrow.input_ids.long(), wide.input_ids)
    assert torch.equal(narrow.labels.long(), wide.labels)


@all_cases("unit", UNITS)
@all_cases("name", ["input_ids", "maskable", "word_starts", "token_class"])
def test_layout_of_a_tensor_in_memory_does_not_matter(name, unit):
    """A transposed view and a slice of something wider hold the same numbers."""
    batch = random_batch(np.random.default_rng(5), 3, 33)
    value = getattr(batch, name)
    masker = masker_of(0.5, unit, CONTENTS["class loss"])
    expected = masked_by(masker, batch)
    for view in (value.t().contiguous().t(), torch.cat([value, value], 1)[:, :33]):
        assert_same(masked_by(masker, replace(batch, **{name: view})), expected)


@all_cases("budget", BUDGETS)
@all_cases("content", CONTENTS)
@all_cases("unit", UNITS)
def test_sequence_without_maskable_token_passes_unchanged_among_others(unit, content, budget):
    batch = random_batch(np.random.default_rng(6), 3, 64)
    batch.maskable[1] = False
    masked = masked_by(masker_of(0.5, unit, CONTENTS[content], budget=budget), batch)
    assert torch.equal(masked.input_ids[1], batch.input_ids[1])
    assert masked.selected.any(1).tolist() == [True, False, True]


def test_ratio_follows_the_schedule():
    masker = masker_of(Linear(start=1.0, end=0.0))
    batch = random_batch(np.random.default_rng(7), 3, 64, maskable=1.0)
    for progress, share in ((0.0, 1.0), (1.0, 0.0)):
        masked = masked_by(masker, batch, progress=progress)
        assert masked.selected.float().mean() == share == masker.ratio(progress)
