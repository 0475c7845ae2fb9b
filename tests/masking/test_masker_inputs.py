"""Bad input: a clear error or the defined result, never a wrong mask in silence."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from cases import all_cases, one_in
from masking_texts import (
    CONTENTS,
    NAMES,
    ONLY_NOUNS,
    TOKEN_COUNTS,
    UNITS,
    VOCABULARY,
    masked_by,
    masker_of,
    random_batch,
)
from tidemask.masking.masker import Masker
from tidemask.masking.noise import StepKey
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Constant, Linear
from tidemask.masking.weighting import ByClassLoss, ByFrequency, ByFunction, ByTable

units = pytest.mark.parametrize("unit", UNITS)
policies = pytest.mark.parametrize(
    ("unit", "content", "budget"),
    one_in(5, product(UNITS, CONTENTS, ["expected", "fixed"]), ids="-".join),
)
contents = pytest.mark.parametrize("content", CONTENTS)
budgets = pytest.mark.parametrize("budget", ["expected", "fixed"])


def batch_of(num_sequences=2, length=8, **kind):
    return random_batch(np.random.default_rng(151), num_sequences, length, **kind)


def with_field(batch, name, value):
    """Past the shape check that the tests, and they alone, put on the record itself."""
    object.__setattr__(batch, name, value)
    return batch


@policies
def test_batch_of_nothing_gives_a_batch_of_nothing(unit, content, budget):
    policy = {"budget": budget, "prediction": Constant(ratio=0.1)}
    if budget == "expected":
        policy["loss_weight"] = "inverse_inclusion"
    masker = masker_of(0.5, unit, CONTENTS[content], **policy)
    for shape in ((0, 0), (0, 9), (5, 0)):
        masked = masked_by(masker, batch_of(*shape))
        assert masked.input_ids.shape == masked.labels.shape == shape
        assert masked.loss_weight is None or masked.loss_weight.shape == shape
        assert int(masked.num_maskable()) == int(masked.num_selected()) == 0


@policies
def test_sequences_of_only_special_tokens_pass_unchanged(unit, content, budget):
    batch = batch_of(maskable=0.0)
    masked = masked_by(masker_of(1.0, unit, CONTENTS[content], budget=budget), batch)
    assert torch.equal(masked.input_ids, batch.input_ids)
    assert (masked.labels == -100).all()
    assert not masked.corrupted.any()


@units
@budgets
def test_sequence_of_tokens_of_weight_zero_is_left_alone(unit, budget):
    """Whatever its budget, also one of just under a token; it counts as the shortfall."""
    for num_tokens, ratio in product([1, 7, 14], [0.0706, 0.142, 0.165, 1.0]):
        batch = batch_of(2, num_tokens, maskable=1.0)
        batch.token_class[0], batch.token_class[1] = 0, 1
        masked = masked_by(masker_of(ratio, unit, ONLY_NOUNS, budget=budget), batch)
        assert not masked.corrupted[0].any(), f"{num_tokens} tokens at the ratio {ratio}"
        assert float(masked.shortfall) == pytest.approx(ratio * num_tokens)


@budgets
def test_function_that_gives_nothing_but_zeros_selects_nothing(budget):
    settings = MaskingSettings(ratio=Constant(ratio=0.5), content=ByFunction(), budget=budget)
    masker = Masker(
        settings,
        VOCABULARY,
        max_steps=10,
        weight_of=lambda batch: torch.zeros(batch.input_ids.shape),
    )
    batch = batch_of()
    masked = masked_by(masker, batch)
    assert not masked.corrupted.any()
    assert float(masked.shortfall) == pytest.approx(0.5 * int(batch.maskable.sum()))


@pytest.mark.parametrize("progress", [-0.1, 1.1, math.nan, math.inf])
def test_progress_outside_the_run_is_refused(progress):
    with pytest.raises(ValueError, match=f"progress={progress}"):
        masker_of(0.15)(batch_of(), progress=progress, key=StepKey(0, 0))


@all_cases("content", [ByClassLoss(), ByTable(weights={"NOUN": 1.0})])
@units
@all_cases("wrong", [3, 7, 254])
def test_class_outside_the_table_is_refused(unit, content, wrong):
    batch = batch_of(maskable=1.0)
    batch.token_class[1, 3] = wrong
    with pytest.raises(ValueError, match=rf"token_class={wrong}.* from 0 to 2"):
        masked_by(masker_of(0.15, unit, content), batch)


@all_cases("shape", [(2, 7), (1, 8), (8,), (2, 8, 1)])
@units
def test_classes_of_another_shape_are_refused(unit, shape):
    batch = with_field(batch_of(), "token_class", torch.zeros(shape, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"token_class of shape .*\(2, 8\)"):
        masked_by(masker_of(0.15, unit, ByClassLoss()), batch)


@units
def test_missing_classes_are_refused(unit):
    with pytest.raises(ValueError, match="token_class=None"):
        masked_by(masker_of(0.15, unit, ByClassLoss()), replace(batch_of(), token_class=None))


@all_cases("shape", [(2, 7), (1, 8), (8,)])
@all_cases("unit", ["word", "span of words"])
@contents
def test_word_starts_of_another_shape_are_refused(unit, content, shape):
    batch = with_field(batch_of(), "word_starts", torch.ones(shape, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"word_starts of shape .*\(2, 8\)"):
        masked_by(masker_of(0.15, unit, CONTENTS[content]), batch)


@pytest.mark.parametrize("unit", ["word", "span of words"])
def test_missing_word_starts_are_refused_where_words_are_masked(unit):
    with pytest.raises(ValueError, match="word_starts=None"):
        masked_by(masker_of(0.15, unit), replace(batch_of(), word_starts=None))


@pytest.mark.parametrize("unit", ["token", "span of tokens"])
def test_missing_word_starts_do_not_matter_where_tokens_are_masked(unit):
    batch = batch_of(4, 30)
    masked = masked_by(masker_of(0.5, unit), replace(batch, word_starts=None))
    assert torch.equal(masked.corrupted, masked_by(masker_of(0.5, unit), batch).corrupted)


@pytest.mark.parametrize("num_losses", [0, 1, 2, 4, 50])
def test_losses_of_another_number_of_classes_are_refused(num_losses):
    with pytest.raises(ValueError, match=rf"class_loss of shape \({num_losses},\).*\(3,\)"):
        masker_of(0.15, content=ByClassLoss())(
            batch_of(), progress=0.5, key=StepKey(0, 500), class_loss=torch.ones(num_losses)
        )


def test_losses_of_named_classes_are_refused_by_a_policy_over_the_vocabulary():
    masker = masker_of(0.15, content=CONTENTS["loss of entries"])
    with pytest.raises(ValueError, match=r"class_loss of shape \(3,\).*\(50,\)"):
        masker(batch_of(), progress=0.5, key=StepKey(0, 500), class_loss=torch.ones(3))


@pytest.mark.parametrize("content", [ByClassLoss(), ByTable(weights={"NOUN": 1.0})])
def test_policy_by_class_without_classes_is_refused(content):
    with pytest.raises(ValueError, match=f"{content.weighting} needs token classes.*classes=NAME"):
        masker_of(0.15, content=content, names=())


def test_function_is_needed_by_its_weighting_and_by_no_other():
    for content, weight_of in ((ByFunction(), None), (ByFrequency(), lambda batch: batch)):
        with pytest.raises(ValueError, match="weight_of"):
            Masker(
                MaskingSettings(content=content),
                VOCABULARY,
                class_names=NAMES,
                max_steps=10,
                token_counts=TOKEN_COUNTS,
                weight_of=weight_of,
            )


def test_weights_by_inclusion_are_refused_under_a_fixed_budget():
    with pytest.raises(ValueError, match=r"inverse_inclusion with budget=fixed.*budget=expected"):
        MaskingSettings(loss_weight="inverse_inclusion", budget="fixed")


def test_policies_show_what_they_use():
    for content, upos, vocabulary in (
        (ByClassLoss(), True, False),
        (ByClassLoss(classes="vocabulary"), False, True),
        (ByTable(weights={"NOUN": 1.0}), True, False),
        (ByFrequency(), False, False),
        (ByFunction(), False, False),
    ):
        settings = MaskingSettings(content=content, ratio=Linear())
        assert settings.uses_token_classes == upos
        assert settings.uses_vocabulary_loss == settings.learns_entries == vocabulary
