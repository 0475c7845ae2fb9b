"""The ratio curve of every shipped recipe against the formula of its source, at 11 points.

Formulas are written out from the sources that the recipes name. A
recipe that ships without an entry here fails.
"""

import functools
import math

import pytest

from cases import all_cases
from tidemask import load_recipe
from tidemask.masking.sequence_ratio import RatioMixture, Same, UniformAround
from tidemask.runs.config import recipe_names

P = 0.15
POINTS = [i / 10 for i in range(11)]


def fifteen_percent(s):
    return P


def mrd_cosine(s):
    return P * (1 + math.cos(math.pi * s)) + 0.02


def mrd_warmup(s):
    """80,000 of 1,000,000 steps up to `2p`, then straight down to 0."""
    return 2 * P * s / 0.08 if s < 0.08 else 2 * P * (1 - s) / 0.92


def ankner_linear(s):
    return 0.30 - (0.30 - 0.15) * s


def mmbert(s):
    """By the tokens of its phases: 2,300 B, 600 B and 100 B of 3,000 B."""
    return 0.3 if s < 2300 / 3000 else 0.15 if s < 2900 / 3000 else 0.05


def amlm(s):
    """Its code begins with 0.40 and takes 0.25 off in equal steps."""
    return 0.40 - 0.25 * s


CURVES = {
    "amlm-hard": amlm,
    "amlm-soft": amlm,
    "accuracy-morph": fifteen_percent,
    "ankner-cosine": lambda s: 0.15 + (0.30 - 0.15) * (1 + math.cos(math.pi * s)) / 2,
    "ankner-linear": ankner_linear,
    "ankner-step": lambda s: 0.30 if s < 0.5 else 0.15,
    "ankner-subset": ankner_linear,
    "bandit-ratio": lambda s: (0.08 + 0.15 + 0.30 + 0.45) / 4,  # of its grid, without a run
    "bert": fifteen_percent,
    "ccm": fifteen_percent,
    "chinese-modernbert": lambda s: 0.15 + 3 * s if s < 0.05 else 0.3 - 0.15 * (s - 0.05) / 0.95,
    "codemodernbert-owl": lambda s: 0.30,
    "constant-matched": lambda s: P + 0.02,
    "cramming": lambda s: 0.25,
    "difference-masking": fifteen_percent,
    "entity-masking": fifteen_percent,
    "esm3": lambda s: 0.30,
    "eurobert": lambda s: 0.5 if s < 0.96 else 0.1,
    "ettin": lambda s: 0.3 if s < 0.95 else 0.15,
    "frequency-diffusion": lambda s: 0.5,
    "function-words-only": fifteen_percent,
    "genemask": fifteen_percent,
    "keyword-masking": fifteen_percent,
    "learnability": fifteen_percent,
    "gpt-bert": ankner_linear,
    "masked-diffusion": lambda s: 0.5,
    "mmbert": mmbert,
    "modernbert-30": lambda s: 0.30,
    "mrd-cosine": mrd_cosine,
    "mrd-linear": lambda s: 2 * P * (1 - s),
    "mrd-quadratic": lambda s: 2 * P * (1 - s**2) + 0.01,
    "mrd-warmup": mrd_warmup,
    "neobert": lambda s: 0.20,
    "nouns-only": fifteen_percent,
    "pmi-masking": fifteen_percent,
    "ptw": fifteen_percent,
    "ptw-mrd": mrd_cosine,
    "ptw-paper": fifteen_percent,
    "ptw-unbiased": fifteen_percent,
    "reference-entropy": fifteen_percent,
    "rising": lambda s: 2 * P * s,
    "roberta": fifteen_percent,
    "salient-spans": fifteen_percent,
    "self-evolution": fifteen_percent,
    "self-masking": fifteen_percent,
    "spanbert": fifteen_percent,
    "spanbert-hybrid": fifteen_percent,
    "speedrunning-plm": lambda s: 0.1 + 0.1 * min(1.0, s / 0.05),
    "tfidf-masking": fifteen_percent,
    "tiacbm-cyclic": lambda s: 0.09 if s == 1 else 0.15 - 0.06 * (5 * s % 1),
    "triangle": lambda s: 4 * P * s if s <= 0.5 else 4 * P * (1 - s),
    "valley": lambda s: 2 * P * abs(1 - 2 * s) + 0.01,
    "wettig-40": lambda s: 0.40,
    "wsbert-frequency": fifteen_percent,
    "wsbert-loss": fifteen_percent,
}
PREDICTIONS = {"ankner-subset": fifteen_percent}
"""Recipes that predict fewer positions than they corrupt."""
PER_SEQUENCE = {
    "masked-diffusion": [(1.0, 0.5, None)],
    "esm3": [(0.8, 3 / 12, (3, 9)), (0.2, 0.5, None)],
    "frequency-diffusion": [(0.5, 0.25, (5, 15)), (0.5, 0.75, (15, 5))],
}
"""Recipes in which each sequence has a ratio of its own: share and mean of each distribution, with
the parameters of a Beta distribution, or none for the uniform one on (0, 1]."""
SHIPPED = recipe_names()
loaded = functools.cache(load_recipe)


def test_every_shipped_recipe_has_its_formula_here():
    assert set(SHIPPED) - set(CURVES) == set()


@all_cases("name", SHIPPED)
def test_curve_equals_the_formula_of_its_source(name):
    ratio = loaded(name).masking.ratio
    expected = [CURVES[name](s) for s in POINTS]
    assert [ratio(s) for s in POINTS] == pytest.approx(expected, abs=1e-8)


@all_cases("name", SHIPPED)
def test_all_is_predicted_but_for_the_recipes_of_a_subset(name):
    prediction = loaded(name).masking.prediction
    if name not in PREDICTIONS:
        assert prediction == "all"
        return
    expected = [PREDICTIONS[name](s) for s in POINTS]
    assert [prediction(s) for s in POINTS] == pytest.approx(expected, abs=1e-12)


@all_cases("name", SHIPPED)
def test_sequences_share_a_ratio_but_for_some_recipes(name):
    masking = loaded(name).masking
    if name not in PER_SEQUENCE:
        assert masking.per_sequence == Same()
        return
    around, ratio = masking.per_sequence, masking.ratio(0.5)
    alone = [(1.0, ratio, around)]
    if isinstance(around, RatioMixture):
        means = around.means(ratio)
        alone = [(p.share, m, p.of) for p, m in zip(around.parts, means, strict=True)]
    for (share, mean, parameters), (own_share, own_mean, of) in zip(
        PER_SEQUENCE[name], alone, strict=True
    ):
        assert (own_share, own_mean) == pytest.approx((share, mean))
        if parameters is None:
            assert isinstance(of, UniformAround)
            assert of.interval(own_mean) == pytest.approx((0.0, 1.0))
        else:
            c = of.concentration
            assert (c * own_mean, c * (1 - own_mean)) == pytest.approx(parameters)
