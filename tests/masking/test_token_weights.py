"""From weightings to the weights of a batch's units: tables at a moment, means, blends, checks."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from masking_texts import (
    HIGH,
    LATE,
    LOSSES,
    MAX_STEPS,
    NAMES,
    TOKEN_COUNTS,
    TOKEN_LOSSES,
    masked_by,
    masker_of,
    random_batch,
    slow_words,
)
from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.schedule import Linear
from tidemask.masking.token_weights import (
    Scaled,
    checked_classes,
    new_table,
    weights_by_class,
    weights_by_function,
    weights_by_position,
)
from tidemask.masking.units import starts_of_words
from tidemask.masking.weighting import (
    ByClassLoss,
    ByFrequency,
    ByFunction,
    ByTable,
    Uniform,
    frequency_weights,
)
from tidemask.token_classes import NO_CLASS

RISING = Linear(start=0.0, end=1.0)
TABLE = ByTable(weights={"NOUN": 3.0, "DET": 0.2})


def table_of(content, **given):
    asked = {
        "class_names": NAMES,
        "vocab_size": 50,
        "max_steps": MAX_STEPS,
        "token_counts": TOKEN_COUNTS,
    }
    return new_table(content, **{**asked, **given})


def at(content, progress=0.5, step=LATE, losses=LOSSES):
    return table_of(content).at(losses, progress=progress, step=step).tolist()


def test_fixed_table_blends_in_from_uniform():
    """Towards the weight 1 for all, whatever the step."""
    full = [0.2, 3.0, 0.0, 0.0]
    assert at(TABLE) == full
    blended = replace(TABLE, blend=RISING)
    for progress in (0.0, 0.25, 1.0):
        expected = [1 - progress + progress * weight for weight in full]
        assert at(blended, progress, losses=None) == pytest.approx(expected)


def test_frequency_blends_in_from_the_mean_weight_of_the_corpus():
    full = frequency_weights(TOKEN_COUNTS, power=0.5, least_count=10).numpy()
    np.testing.assert_allclose(at(ByFrequency()), full)
    for progress in (0.0, 0.25, 1.0):
        expected = 1 - progress + progress * full
        np.testing.assert_allclose(at(ByFrequency(blend=RISING), progress), expected)


def test_weights_by_loss_blend_in_over_the_second_horizon_and_with_their_schedule():
    for step, begun in ((0, 0), (50, 0), (75, 0.5), (100, 1), (LATE, 1)):
        for content, blend in (
            (ByClassLoss(), begun),
            (ByClassLoss(blend=RISING), 0.5 * begun),
            (ByClassLoss(blend_in=False), 1),
            (ByClassLoss(blend_in=False, blend=RISING), 0.5),
        ):
            steep = 0.5 + blend * (HIGH - 0.5)
            assert at(content, step=step) == pytest.approx([1 - steep, steep, 0.5, 0.5])


def test_weights_by_loss_are_neutral_before_any_loss():
    assert at(ByClassLoss(), losses=None) == [0.5] * 4
    assert at(ByClassLoss(classes="vocabulary"), losses=None) == [0.5] * 50


def test_weights_of_entries_have_one_for_each_and_none_for_the_rest():
    result = np.array(at(ByClassLoss(classes="vocabulary"), losses=TOKEN_LOSSES))
    assert result.shape == (50,)
    assert (result[::3] == 0.5).all()
    order = np.argsort(TOKEN_LOSSES[1::3].numpy())
    assert (np.diff(result[1::3][order]) >= 0).all()


@pytest.mark.parametrize("content", [ByClassLoss(), ByClassLoss(classes="vocabulary")])
@pytest.mark.parametrize("num_losses", [0, 1, 2, 4, 49, 51])
def test_losses_of_another_number_of_classes_are_refused(content, num_losses):
    with pytest.raises(ValueError, match=rf"class_loss of shape \({num_losses},\)"):
        table_of(content).at(torch.zeros(num_losses), progress=0.5, step=LATE)


@pytest.mark.parametrize("content", [ByClassLoss(), TABLE])
def test_weighting_by_class_without_classes_is_refused(content):
    with pytest.raises(ValueError, match=f"weighting={content.weighting} needs token classes"):
        table_of(content, class_names=())


def test_frequency_without_counts_or_with_those_of_another_vocabulary_is_refused():
    with pytest.raises(ValueError, match="needs token_counts"):
        table_of(ByFrequency(), token_counts=None)
    with pytest.raises(ValueError, match=r"token_counts of shape \(49,\)"):
        table_of(ByFrequency(), token_counts=TOKEN_COUNTS[1:])


def test_uniform_weights_and_functions_have_no_table():
    assert table_of(Uniform()) is None
    assert table_of(ByFunction()) is None


def test_class_weights_are_those_of_the_named_classes():
    moment = {"progress": 0.5, "step": LATE}
    masker = masker_of(content=ByClassLoss())
    assert masker.class_weights(LOSSES, **moment).tolist() == at(ByClassLoss())[:3]
    assert masker.class_weights(None, **moment).tolist() == [0.5] * 3
    for content in (Uniform(), ByFrequency(), ByFunction(), ByClassLoss(classes="vocabulary")):
        assert masker_of(content=content).class_weights(LOSSES, **moment) is None


def test_new_class_loss_has_the_memory_and_classes_of_the_policy():
    given = masker_of(content=ByClassLoss(horizon_steps=7)).new_class_loss()
    assert isinstance(given, ClassLoss)
    assert (given.class_names, given.horizon_steps) == (NAMES, 7)
    assert masker_of().new_class_loss().horizon_steps == 50
    assert masker_of(names=()).new_class_loss() is None
    assert masker_of().new_vocabulary_loss() is None
    entries = masker_of(content=ByClassLoss(classes="vocabulary")).new_vocabulary_loss()
    assert entries.class_names == tuple(map(str, range(50)))


def test_no_class_gets_the_last_weight():
    batch = random_batch(np.random.default_rng(141), 4, 20)
    classes = checked_classes(batch, 3)
    assert torch.equal(classes == 3, batch.token_class == NO_CLASS)
    assert torch.equal(classes[classes < 3], batch.token_class[classes < 3])


@pytest.mark.parametrize("weights", [[0.5, 0.0, 1.0], [0.5, 0.1, 1.0]])
def test_some_zero_is_told_by_the_weights(weights):
    table = Scaled.of(torch.tensor(weights, dtype=torch.float64), precise=True)
    result = weights_by_class(torch.zeros(2, 3, dtype=torch.int32), table)
    assert result.some_zero == (0.0 in weights)
    assert result.classes.dtype == torch.int64


@given(st.integers(0, 2**32), st.integers(0, 3), st.integers(0, 25))
@settings(deadline=None, max_examples=40)
def test_weight_of_a_unit_is_the_mean_of_its_maskable_tokens(seed, num_sequences, length):
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, num_sequences, length, maskable=0.8)
    weights = rng.random((num_sequences, length))
    starts, _ = starts_of_words(batch)
    result = weights_by_position(
        torch.tensor(weights, dtype=torch.float32), batch.maskable, starts, some_zero=True
    )
    assert result.some_zero
    for row in range(num_sequences):
        units = {}
        for position, start in enumerate(slow_words(batch, row)):
            units.setdefault(start, []).append(position)
        for positions in units.values():
            inside = [weights[row, p] for p in positions if batch.maskable[row, p]]
            if inside:
                expected = [np.mean(inside)] * len(positions)
                np.testing.assert_allclose(result.weights[row, positions], expected, rtol=1e-6)
            assert len(set(result.weights[row, positions].tolist())) == 1


def test_weight_of_a_word_by_class_is_that_of_its_start():
    """The second word of two begins with a noun: its third token, marked as DET, goes with it."""
    batch = random_batch(np.random.default_rng(142), 1, 5, maskable=1.0)
    batch.word_starts[0] = torch.tensor([True, False, True, False, False])
    batch.token_class[0] = torch.tensor([0, 0, 1, 1, 0], dtype=torch.uint8)
    only_nouns = ByTable(weights={"NOUN": 1.0})
    masked = masked_by(masker_of(1.0, "word", only_nouns), batch)
    assert masked.corrupted.tolist() == [[False, False, True, True, True]]


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf, -math.inf])
def test_wrong_weight_from_a_function_is_refused_with_its_place(wrong):
    batch = random_batch(np.random.default_rng(143), 3, 8, maskable=1.0)
    weights = torch.ones(3, 8)
    weights[1, 5] = wrong
    with pytest.raises(ValueError, match=rf"weights\[1, 5\]={wrong:g} from weight_of"):
        weights_by_function(batch, lambda _: weights, blend=1.0)
    batch.maskable[1, 5] = False
    result = weights_by_function(batch, lambda _: weights, blend=1.0)
    assert result.tolist() == batch.maskable.float().tolist()


@pytest.mark.parametrize("shape", [(3,), (3, 7), (3, 8, 1), (1, 8)])
def test_weights_of_another_shape_from_a_function_are_refused(shape):
    batch = random_batch(np.random.default_rng(144), 3, 8)
    with pytest.raises(ValueError, match="from weight_of"):
        weights_by_function(batch, lambda _: torch.ones(shape), blend=1.0)
