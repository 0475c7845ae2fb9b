"""Recipes by frequency, by weights and by groups of a column, against formulas in plain numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from law_policies import (
    COUNTS,
    FIRST_ID,
    MASK_ID,
    MAX_STEPS,
    VOCAB_SIZE,
    inclusion_by_bisection,
    text,
    unit_means,
    units_of,
)
from masking_texts import repeated
from tidemask import Batch, Masker, StepKey, TokenColumn, Vocabulary, load_recipe
from tidemask.masking.explanation import explained
from tidemask.masking.part import AtStep

AT = AtStep(0.5, StepKey(1, MAX_STEPS // 2), None)
TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}


def masker_of(recipe: str, *columns: TokenColumn) -> Masker:
    return Masker(
        load_recipe(recipe).masking,
        Vocabulary.of(VOCAB_SIZE, MASK_ID, range(FIRST_ID)),
        columns=columns,
        max_steps=MAX_STEPS,
        token_counts=torch.tensor(COUNTS),
    )


def with_column(batch: Batch, name: str, of: str) -> Batch:
    """With one column of the text under the name that a recipe reads."""
    return replace(batch, columns={name: batch.columns[of]})


def chances(masker: Masker, batch: Batch) -> np.ndarray:
    return torch.stack([one.inclusion for one in explained(masker, batch, AT)]).numpy()


def by_weights(batch: Batch, weights: np.ndarray, unit: str, ratio: object = 0.15) -> np.ndarray:
    means = unit_means(weights, units_of(batch, unit))
    return inclusion_by_bisection(means, batch.maskable.numpy(), ratio)


@pytest.mark.parametrize(
    ("recipe", "column", "uniform"),
    [
        ("keyword-masking", "keywords", 0.0),
        ("reference-entropy", "entropy", 0.0),
        ("tfidf-masking", "tfidf", 0.2),
    ],
)
def test_words_are_drawn_by_their_mean_weight(recipe: str, column: str, uniform: float) -> None:
    """15 % as whole words, in proportion to the column; of TF-IDF a fifth by chance alone."""
    batch = text(8, 80, seed=7)
    scores = batch.columns["scores"].numpy().astype(float)
    expected = (1 - uniform) * by_weights(batch, scores, "word")
    expected += uniform * 0.15 * batch.maskable.numpy()
    masker = masker_of(recipe, TokenColumn(name=column, kind="weight"))
    found = chances(masker, with_column(batch, column, "scores"))
    np.testing.assert_allclose(found, expected, **TOLERANCE)
    if not uniform:  # what no keyword list and no model speaks for is left alone
        assert (found[unit_means(scores, units_of(batch, "word")) == 0] == 0).all()


@pytest.mark.parametrize(
    ("recipe", "column"), [("entity-masking", "entities"), ("pmi-masking", "pmi")]
)
def test_entities_are_drawn_together_and_as_often_as_any_word(recipe: str, column: str) -> None:
    batch = with_column(text(3, 30, seed=8), column, "phrases")
    units = units_of(replace(batch, columns={"phrases": batch.columns[column]}), "group")
    masker = masker_of(recipe, TokenColumn(name=column, kind="group"))
    np.testing.assert_allclose(chances(masker, batch), 0.15 * batch.maskable.numpy(), rtol=1e-6)
    trials = 3000
    masked = masker(repeated(batch, trials), **vars(AT))
    selected = masked.selected.reshape(trials, *units.shape).numpy()
    for row, names in enumerate(units):
        first = [int(np.flatnonzero(names == name)[0]) for name in np.unique(names[names > 0])]
        for place in first:
            together = selected[:, row, names == names[place]]
            assert (together == together[:, :1]).all()
        drawn = selected[:, row, first]
        num_drawn = drawn.sum(0)
        assert (stats.binom.cdf(num_drawn, trials, 0.15) > 1e-7).all()
        assert (stats.binom.sf(num_drawn - 1, trials, 0.15) > 1e-7).all()
        # Units are independent: the number of those drawn has the variance of a binomial.
        spread = drawn.sum(1).var() / (len(first) * 0.15 * 0.85)
        assert abs(spread - 1) < 5 * np.sqrt(2.5 / trials)


def test_frequency_diffusion_softens_frequency_at_ratios_of_two_modes() -> None:
    """Half of the sequences around 25 %, half around 75 %; weights are 1 / sqrt of the count."""
    batch, masker = text(600, 60, seed=9), masker_of("frequency-diffusion")
    ratios = np.array([one.ratio for one in explained(masker, batch, AT)])

    def modes(ratio: np.ndarray) -> np.ndarray:
        return (stats.beta.cdf(ratio, 5, 15) + stats.beta.cdf(ratio, 15, 5)) / 2

    assert stats.kstest(ratios, modes).pvalue > 1e-4
    weights = (np.maximum(COUNTS, 10.0) ** -0.5)[batch.input_ids.numpy()]
    expected = by_weights(batch, weights, "token", ratios[:, None])
    np.testing.assert_allclose(chances(masker, batch), expected, **TOLERANCE)
    masked = masker(batch, **vars(AT))
    selected = masked.selected.numpy()
    assert masked.loss_weight is not None
    np.testing.assert_allclose(
        masked.loss_weight.numpy()[selected], 1 / expected[selected], rtol=1e-4
    )
    assert (masked.input_ids[masked.selected] == MASK_ID).all()


def test_wsbert_frequency_draws_by_the_inverse_root_of_counts() -> None:
    batch = text(8, 80, seed=10)
    weights = (np.maximum(COUNTS, 10.0) ** -0.5)[batch.input_ids.numpy()]
    found = chances(masker_of("wsbert-frequency"), batch)
    np.testing.assert_allclose(found, by_weights(batch, weights, "token"), **TOLERANCE)
