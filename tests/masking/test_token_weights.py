"""From weightings to the weights of a batch's units: means within units, functions, checks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from masking_texts import (
    LATE,
    LOSSES,
    MAX_STEPS,
    NAMES,
    TOKEN_COUNTS,
    masked_by,
    masker_of,
    random_batch,
    slow_words,
)
from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.columns import classes_in
from tidemask.masking.position_weights import weights_by_function, weights_by_position
from tidemask.masking.token_weights import TokenWeights
from tidemask.masking.units import starts_of_words
from tidemask.masking.weighting import ByClassLoss, ByFrequency, ByFunction, ByTable, Uniform
from tidemask.token_classes import NO_CLASS, TokenColumn

AT_A_STEP = {"progress": 0.5, "step": LATE}


def test_class_weights_are_those_of_the_named_classes():
    table = TokenWeights(
        ByClassLoss(),
        class_names=NAMES,
        vocab_size=50,
        max_steps=MAX_STEPS,
        token_counts=TOKEN_COUNTS,
    ).table(LOSSES, **AT_A_STEP)
    masker = masker_of(content=ByClassLoss())
    assert masker.class_weights(LOSSES, **AT_A_STEP).tolist() == table[:-1].tolist()
    assert masker.class_weights(None, **AT_A_STEP).tolist() == [0.5] * 3
    for content in (Uniform(), ByFrequency(), ByFunction(), ByClassLoss(classes="vocabulary")):
        assert masker_of(content=content).class_weights(LOSSES, **AT_A_STEP) is None


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
    upos = TokenColumn(name="upos", kind="class", class_names=NAMES)
    classes = classes_in(batch, upos)
    assert torch.equal(classes == 3, batch.token_class == NO_CLASS)
    assert torch.equal(classes[classes < 3], batch.token_class[classes < 3])


@given(st.integers(0, 2**32), st.integers(0, 3), st.integers(0, 25))
@random_examples(40)
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
                np.testing.assert_allclose(result.values[row, positions], expected, rtol=1e-6)
            assert len(set(result.values[row, positions].tolist())) == 1


@pytest.mark.parametrize("others", [0.0, 0.1])
def test_units_with_a_class_each_have_the_weights_of_their_classes(others):
    content = ByTable(weights={"NOUN": 1.0}, others=others)
    weights = TokenWeights(content, class_names=NAMES, vocab_size=50, max_steps=MAX_STEPS)
    batch = random_batch(np.random.default_rng(145), 2, 9)
    classes = weights.classes_of(batch)
    result = weights.of_units(batch, None, classes, None, one_class_each=True, **AT_A_STEP)
    assert result.some_zero == (others == 0.0)
    assert result.classes.dtype == torch.int64
    assert result.values.tolist() == [others, 1.0, others, others]


def test_weight_of_a_word_by_class_is_that_of_its_start():
    """The second word of two begins with a noun; its third token, marked as DET, belongs to it."""
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
