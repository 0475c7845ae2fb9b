"""Recipes that follow what a model gets right, against the formulas of their sources and cards.

What was predicted is made up; statistics, weights and chances of it are plain numpy.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from law_policies import (
    COUNTS,
    FIRST_ID,
    MASK_ID,
    UPOS_NAMES,
    VOCAB_SIZE,
    first_of_words,
    inclusion_by_bisection,
    text,
    unit_means,
    units_of,
)
from logged_predictions import Log, plain_map
from tidemask import Masker, StepKey, Vocabulary, load_recipe
from tidemask.masking.explanation import explained
from tidemask.masking.map_settings import SigmoidMap
from tidemask.masking.part import AtStep

MAX_STEPS = 1000
HORIZON = 50
"""Of the statistics of a run of so many steps, where a recipe says `auto`: 5 %."""
WINDOW = 200
BATCH = text(6, 60, seed=2)


def masker_of(recipe, *overrides) -> Masker:
    return Masker(
        load_recipe(recipe, overrides).masking,
        Vocabulary.of(VOCAB_SIZE, MASK_ID, range(FIRST_ID)),
        class_names=UPOS_NAMES,
        max_steps=MAX_STEPS,
        token_counts=torch.tensor(COUNTS),
    )


def predictions(seed, num_steps, classes, **memory) -> Log:
    """Tokens of classes that differ in how hard they are, and get easier over the run."""
    log, rng = Log(seed, 0, **memory), np.random.default_rng(seed)
    hardness = rng.uniform(0.3, 3.0, max(classes) + 1)
    for step in range(num_steps):
        of_token = rng.choice(classes, 80)
        loss = rng.gamma(2.0, hardness[of_token] / 2) * (1 - step / MAX_STEPS)
        log.steps.append((loss, rng.random(80) < np.exp(-loss), of_token))
    return log


def learned(masker, log, statistic):
    """The state after all steps of a log."""
    state = masker.new_class_statistic()
    for step in range(len(log.steps)):
        log.take_in(statistic, state, step)
    return state.value()


def chances(masker, learned, step):
    """Inclusion probability of each position of the batch as the masker has it."""
    at = AtStep(step / MAX_STEPS, StepKey(1, step), learned)
    return torch.stack([one.inclusion for one in explained(masker, BATCH, at)]).numpy()


def of_weights(weights, ratio, unit="token"):
    """The same from weights of positions, by bisection."""
    means = unit_means(weights, units_of(BATCH, unit))
    return inclusion_by_bisection(means, BATCH.maskable.numpy(), ratio)


def relative(values, floor=0.0):
    """Known values as multiples of their mean, not below a floor; 1 where nothing is known."""
    known = ~np.isnan(values)
    return np.where(known, np.maximum(values / values[known].mean(), floor), 1.0)


NEVER_PREDICTED = VOCAB_SIZE - 5
"""The first of the entries that no step predicts."""
ENTRIES = list(range(FIRST_ID, NEVER_PREDICTED))
TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}


@pytest.mark.parametrize(
    ("recipe", "statistic"), [("amlm-hard", "accuracy"), ("amlm-soft", "inverted_loss")]
)
def test_amlm_masks_entries_by_one_less_their_score_of_the_last_window(recipe, statistic):
    """A factor of 0.2 in a window of 200 steps is a memory of 125; ratio from 40 to 15 %."""
    log = predictions(3, 2 * WINDOW + 50, ENTRIES, num_classes=VOCAB_SIZE, horizon=125)
    score = log.expected(statistic, 2 * WINDOW - 1, prior=1.0)
    weights = relative(1 - score, floor=0.03)
    assert weights.min() == 0.03 or statistic == "accuracy"
    assert (weights[NEVER_PREDICTED:] == 1).all()
    masker = masker_of(recipe)
    expected = of_weights(weights[BATCH.input_ids.numpy()], 0.40 - 0.25 * 0.45)
    found = chances(masker, learned(masker, log, statistic), 450)
    np.testing.assert_allclose(found, expected, **TOLERANCE)


def hard_score(right, loss, count):
    return (right + 0.5) / (count + 1)


def soft_score(right, loss, count):
    mean = (loss + np.log(VOCAB_SIZE)) / (count + 1)
    return 1 - (mean - mean.min()) / (mean.max() - mean.min())


@pytest.mark.parametrize(
    ("recipe", "score"), [("amlm-hard", hard_score), ("amlm-soft", soft_score)]
)
def test_amlm_has_the_weights_of_its_code_where_entries_are_frequent(recipe, score):
    """The code's weights: `1 - score` of each window, 0.2 of the old to 0.8 of the new.

    With 50 tokens a step of each entry neither prior counts. The easiest and the hardest entry
    stay so: their losses are the ends between which the others are inverted.
    """
    rng, num_windows, per_step = np.random.default_rng(4), 5, 50
    masker, kept = masker_of(recipe), np.ones(len(ENTRIES))
    state = masker.new_class_statistic()
    for window in range(num_windows):
        accuracy, loss = rng.uniform(0.1, 0.9, (2, len(ENTRIES)))
        loss[:2] = 0.1, 0.9
        count = WINDOW * per_step
        kept = 0.2 * kept + 0.8 * (1 - score(accuracy * count, loss * count, count))
        sums, counts = torch.zeros(2, VOCAB_SIZE, dtype=torch.float64)
        sums[ENTRIES] = torch.tensor((accuracy if score is hard_score else loss) * per_step)
        counts[ENTRIES] = per_step
        for step in range(window * WINDOW, (window + 1) * WINDOW):
            state.update(sums[None], counts, step=step)
    of_entry = np.full(VOCAB_SIZE, np.nan)
    of_entry[ENTRIES] = kept
    expected = of_weights(relative(of_entry, floor=0.03)[BATCH.input_ids.numpy()], 0.15)
    found = chances(masker, state.value(), MAX_STEPS)
    np.testing.assert_allclose(found, expected, rtol=0.01, atol=1e-4)


def test_accuracy_morph_draws_a_fifth_by_errors_after_its_warm_up():
    """Chances are 0.8 of the ratio and 0.2 of those by `1 - accuracy`; the ratio alone before."""
    log = predictions(5, 450, ENTRIES, num_classes=VOCAB_SIZE, horizon=HORIZON)
    weights = relative(1 - log.expected("accuracy", 449, prior=1.0))
    masker = masker_of("accuracy-morph")
    value, maskable = learned(masker, log, "accuracy"), BATCH.maskable.numpy()
    expected = 0.8 * 0.15 * maskable + 0.2 * of_weights(weights[BATCH.input_ids.numpy()], 0.15)
    assert np.ptp(expected[maskable]) > 0.02
    np.testing.assert_allclose(chances(masker, value, 450), expected, **TOLERANCE)
    np.testing.assert_allclose(chances(masker, value, 59), 0.15 * maskable, **TOLERANCE)


@pytest.mark.parametrize("statistic", ["learnability", "progress"])
def test_learnability_masks_words_by_the_sigmoid_of_their_class(statistic):
    """Uniform for a horizon, blended in over the next; a token without class has the weight 1.

    `progress` is the same recipe with one setting, as its card has it.
    """
    log = predictions(6, 450, [0, 1, 2], horizon=HORIZON, fast=HORIZON // 5)
    values = log.expected(statistic, 449)
    if statistic == "learnability":
        assert (values < 0.25).all()
    weights = np.append(plain_map(values, SigmoidMap(sharpness=2.0)), 1.0)
    masker = masker_of("learnability", f"masking.content.statistic={statistic}")
    value = learned(masker, log, statistic)
    classes = first_of_words(BATCH, np.minimum(BATCH.token_class.numpy(), 3))
    for step, blend in ((HORIZON, 0.0), (75, 0.5), (450, 1.0)):
        expected = of_weights((1 - blend + blend * weights)[classes], 0.15, "word")
        np.testing.assert_allclose(chances(masker, value, step), expected, **TOLERANCE)
