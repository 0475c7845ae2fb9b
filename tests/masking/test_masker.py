"""The masker's contracts (method.md, section 5) over random shapes, words, classes and policies."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemask.batch import IGNORE_INDEX, Batch
from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.corruption import Vocabulary
from tidemask.masking.masker import Masker, MaskingSettings
from tidemask.masking.schedule import Constant, Linear
from tidemask.masking.weighting import ByClassLoss, Uniform
from tidemask.noise import StepKey
from tidemask.token_classes import NO_CLASS

NAMES = ("DET", "NOUN", "SYM")
LOSSES = torch.tensor([0.5, 2.5, math.nan])
VOCABULARY = Vocabulary.of(50, 4, range(5))
MAX_STEPS = 1000
LATE = 500
"""A step at which weights are blended in: past two horizons of 50 steps."""

ratios = st.floats(0, 1) | st.sampled_from([0.0, 0.15, 1.0])
units = st.sampled_from(["token", "word"])
contents = st.sampled_from([Uniform(), ByClassLoss()])
quick = settings(deadline=None, max_examples=60)


def masker_of(ratio, unit="word", content=None, names=NAMES):
    policy = MaskingSettings(ratio=Constant(ratio=ratio), unit=unit, content=content or Uniform())
    return Masker(policy, VOCABULARY, class_names=names, max_steps=MAX_STEPS)


def masked_by(masker, batch, *, seed=1, step=LATE):
    return masker(batch, progress=0.5, key=StepKey(seed, step), class_loss=LOSSES)


def clone(batch):
    return replace(batch, **{f.name: getattr(batch, f.name).clone() for f in fields(batch)[:5]})


def rows(record, index):
    """The record of some of the sequences."""
    tensors = {f.name: getattr(record, f.name) for f in fields(record)}
    return replace(
        record, **{k: v[index] for k, v in tensors.items() if isinstance(v, torch.Tensor)}
    )


def random_batch(rng, num_sequences, length, maskable=0.8, starts=0.6, dtype=torch.int64):
    shape = (num_sequences, length)
    is_maskable = rng.random(shape) < maskable
    ids = np.where(is_maskable, rng.integers(5, 50, shape), rng.integers(0, 5, shape))
    return Batch(
        input_ids=torch.tensor(ids, dtype=dtype),
        maskable=torch.tensor(is_maskable),
        word_starts=torch.tensor(rng.random(shape) < starts),
        token_class=torch.tensor(rng.choice([0, 1, 2, NO_CLASS], shape), dtype=torch.uint8),
        sample_ids=torch.tensor(rng.integers(0, 2**63, num_sequences)),
    )


@st.composite
def batches(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return random_batch(
        rng,
        draw(st.integers(0, 5)),
        draw(st.integers(0, 70)),
        maskable=draw(st.sampled_from([0.0, 0.5, 0.9, 1.0])),
        starts=draw(st.sampled_from([0.0, 0.3, 0.7, 1.0])),
        dtype=draw(st.sampled_from([torch.int32, torch.int64])),
    )


def assert_same(one, other):
    for name in ("input_ids", "labels", "selected"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


@given(batches(), ratios, units, contents)
@quick
def test_labels_and_inputs_agree_off_the_selection(batch, ratio, unit, content):
    kept = clone(batch)
    masked = masked_by(masker_of(ratio, unit, content), batch)
    selected = masked.selected
    assert not (selected & ~batch.maskable).any()
    assert torch.equal(masked.labels[selected], batch.input_ids[selected])
    assert (masked.labels[~selected] == IGNORE_INDEX).all()
    assert torch.equal(masked.input_ids[~selected], batch.input_ids[~selected])
    changed = masked.input_ids[masked.input_ids != batch.input_ids]
    assert ((changed >= 5) | (changed == VOCABULARY.mask_id)).all()
    assert masked.input_ids.dtype == masked.labels.dtype == batch.input_ids.dtype
    assert torch.equal(masked.maskable, batch.maskable)
    assert torch.equal(masked.token_class, batch.token_class)
    for field in fields(kept)[:5]:
        assert torch.equal(getattr(batch, field.name), getattr(kept, field.name)), field.name


@given(batches(), ratios, contents)
@quick
def test_word_is_masked_whole_or_not_at_all(batch, ratio, content):
    masked = masked_by(masker_of(ratio, "word", content), batch)
    for row in range(batch.input_ids.shape[0]):
        words = {}
        for position, begins in enumerate(batch.word_starts[row].tolist()):
            word = position if begins or not words else max(words)
            words.setdefault(word, []).append(position)
        for positions in words.values():
            maskable = [p for p in positions if batch.maskable[row, p]]
            assert masked.selected[row, maskable].sum() in (0, len(maskable))


@given(batches(), units, contents)
@quick
def test_ratio_zero_selects_nothing_and_one_everything(batch, unit, content):
    nothing = masked_by(masker_of(0.0, unit, content), batch)
    assert not nothing.selected.any()
    assert torch.equal(nothing.input_ids, batch.input_ids)
    everything = masked_by(masker_of(1.0, unit, content), batch)
    assert torch.equal(everything.selected, batch.maskable)


@given(batches(), ratios, units, contents, st.randoms())
@quick
def test_order_and_micro_batches_do_not_matter(batch, ratio, unit, content, random):
    masker = masker_of(ratio, unit, content)
    num_sequences = batch.input_ids.shape[0]
    whole = masked_by(masker, batch)
    order = random.sample(range(num_sequences), num_sequences)
    assert_same(masked_by(masker, rows(batch, order)), rows(whole, order))
    cut = random.randint(0, num_sequences)
    for part in (slice(0, cut), slice(cut, None)):
        assert_same(masked_by(masker, rows(batch, part)), rows(whole, part))


@given(batches(), ratios, units, contents, st.integers(0, 9))
@quick
def test_padding_at_the_end_does_not_matter(batch, ratio, unit, content, num_padding):
    length = batch.input_ids.shape[1]
    padded = {
        f.name: torch.nn.functional.pad(getattr(batch, f.name), (0, num_padding))
        for f in fields(batch)[:4]
    }
    masker = masker_of(ratio, unit, content)
    wide = masked_by(masker, replace(batch, **padded))
    narrow = masked_by(masker, batch)
    assert torch.equal(wide.selected[:, :length], narrow.selected)
    assert torch.equal(wide.input_ids[:, :length], narrow.input_ids)
    assert not wide.selected[:, length:].any()


@pytest.mark.parametrize("content", [Uniform(), ByClassLoss()])
@pytest.mark.parametrize("unit", ["token", "word"])
def test_key_decides_the_mask(unit, content):
    batch = random_batch(np.random.default_rng(3), 4, 64)
    masker = masker_of(0.3, unit, content)
    assert_same(masked_by(masker, batch), masked_by(masker_of(0.3, unit, content), batch))
    first = masked_by(masker, batch).selected
    others = [masked_by(masker, batch, step=LATE + 1), masked_by(masker, batch, seed=2)]
    other_samples = replace(batch, sample_ids=batch.sample_ids ^ 1)
    for other in (*others, masked_by(masker, other_samples)):
        assert not torch.equal(other.selected, first)


def test_ids_of_32_and_64_bits_are_masked_alike():
    batch = random_batch(np.random.default_rng(4), 4, 64)
    narrow = replace(batch, input_ids=batch.input_ids.to(torch.int32))
    masker = masker_of(0.3)
    one, other = masked_by(masker, narrow), masked_by(masker, batch)
    assert torch.equal(one.selected, other.selected)
    assert torch.equal(one.input_ids.long(), other.input_ids)
    assert torch.equal(one.labels.long(), other.labels)


def test_sequence_without_maskable_token_passes_unchanged_among_others():
    batch = random_batch(np.random.default_rng(5), 3, 64)
    batch.maskable[1] = False
    for content in (Uniform(), ByClassLoss()):
        masked = masked_by(masker_of(0.5, "word", content), batch)
        assert torch.equal(masked.input_ids[1], batch.input_ids[1])
        assert masked.selected.any(1).tolist() == [True, False, True]


def test_ratio_follows_the_schedule():
    policy = MaskingSettings(ratio=Linear(start=1.0, end=0.0))
    masker = Masker(policy, VOCABULARY, max_steps=MAX_STEPS)
    batch = random_batch(np.random.default_rng(6), 3, 64, maskable=1.0)
    for progress, share in ((0.0, 1.0), (1.0, 0.0)):
        masked = masker(batch, progress=progress, key=StepKey(0, 0))
        assert masked.selected.float().mean() == share == masker.ratio(progress)


@pytest.mark.parametrize("progress", [-0.1, 1.1, math.nan])
def test_progress_outside_the_run_is_refused(progress):
    batch = random_batch(np.random.default_rng(7), 2, 8)
    with pytest.raises(ValueError, match=f"progress={progress}"):
        masker_of(0.15)(batch, progress=progress, key=StepKey(0, 0))


@pytest.mark.parametrize("wrong", [3, 7, 254])
def test_class_outside_the_table_is_refused(wrong):
    batch = random_batch(np.random.default_rng(8), 2, 8, starts=1.0)
    batch.token_class[1, 3] = wrong
    with pytest.raises(ValueError, match=rf"token_class={wrong}.*\[0, 3\)"):
        masked_by(masker_of(0.15, content=ByClassLoss()), batch)


def test_word_starts_of_another_shape_are_refused():
    batch = random_batch(np.random.default_rng(9), 2, 8)
    # Past the shape check that the tests, and they alone, put on the record itself.
    object.__setattr__(batch, "word_starts", batch.word_starts[:, 1:])
    with pytest.raises(ValueError, match=r"word_starts of shape \(2, 7\)"):
        masked_by(masker_of(0.15), batch)


def test_policy_by_class_without_classes_is_refused():
    with pytest.raises(ValueError, match="class_loss needs token classes"):
        masker_of(0.15, content=ByClassLoss(), names=())


def test_weights_are_neutral_before_any_loss_and_through_the_first_horizon():
    masker = masker_of(0.15, content=ByClassLoss())
    high = 1 / (1 + math.exp(-math.sqrt(2)))
    assert masker.class_weights(None, step=LATE).tolist() == [0.5] * 3
    for step, blend in ((0, 0), (50, 0), (75, 0.5), (100, 1), (LATE, 1)):
        steep = 0.5 + blend * (high - 0.5)
        expected = [1 - steep, steep, 0.5]
        np.testing.assert_allclose(masker.class_weights(LOSSES, step=step), expected, rtol=1e-12)
    assert masker_of(0.15).class_weights(LOSSES, step=LATE) is None


def test_new_class_loss_has_the_memory_of_the_policy():
    given = masker_of(0.15, content=ByClassLoss(horizon_steps=7)).new_class_loss()
    assert isinstance(given, ClassLoss)
    assert (given.class_names, given.horizon_steps) == (NAMES, 7)
    assert masker_of(0.15).new_class_loss().horizon_steps == 50
    assert masker_of(0.15, names=()).new_class_loss() is None
