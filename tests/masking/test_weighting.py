"""Weights against the formulas of their cards, in plain Python."""

import math
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cases import random_examples
from tidemask.masking.mixture import WEIGHTINGS
from tidemask.masking.schedule import Linear
from tidemask.masking.weighting import (
    ByClassLoss,
    ByFrequency,
    ByTable,
    Uniform,
    blend_at,
)
from tidemask.masking.weights import NEUTRAL_WEIGHT, blended, class_loss_weights, frequency_weights
from tidemask.token_classes import UPOS

losses = st.floats(0.01, 12).map(lambda x: round(x, 3))


def weights(values, *, sharpness=2.0, blend=1.0):
    class_loss = torch.tensor(values, dtype=torch.float64)
    steep = class_loss_weights(class_loss, sharpness=sharpness)
    return blended(steep, blend, neutral=NEUTRAL_WEIGHT).nan_to_num(NEUTRAL_WEIGHT).tolist()


def reference(values, beta, blend):
    """`sigmoid(beta (L - mean) / std)` over the seen, sample deviation, mixed with 0.5."""
    seen = [x for x in values if not math.isnan(x)]
    if len(set(seen)) < 2:
        return [0.5] * len(values)
    mean, spread = statistics.fmean(seen), statistics.stdev(seen)
    steep = [
        0.5 if math.isnan(x) else 1 / (1 + math.exp(-beta * (x - mean) / spread)) for x in values
    ]
    return [(1 - blend) * 0.5 + blend * w for w in steep]


@given(
    st.lists(losses | st.just(math.nan), min_size=1, max_size=17),
    st.floats(0, 5),
    st.floats(0, 1),
)
@random_examples(80)
def test_weights_equal_the_formula(values, sharpness, blend):
    result = weights(values, sharpness=sharpness, blend=blend)
    np.testing.assert_allclose(result, reference(values, sharpness, blend), atol=1e-9)


def test_two_classes_are_one_sample_deviation_of_root_two_apart():
    """With two values the standardised ones are -1/sqrt(2) and 1/sqrt(2), by hand."""
    high = 1 / (1 + math.exp(-math.sqrt(2)))
    np.testing.assert_allclose(weights([0.5, 2.5]), [1 - high, high], rtol=1e-12)


def test_weights_are_neither_moved_nor_stretched_by_the_scale_of_the_losses():
    values = [0.4, 1.0, 2.1, 2.6]
    np.testing.assert_allclose(weights(values), weights([7 * x + 3 for x in values]), rtol=1e-9)


def test_harder_classes_weight_more():
    result = weights([2.0, 0.1, 1.0, 3.0])
    assert np.argsort(result).tolist() == [1, 2, 0, 3]
    assert min(result) > 0
    assert max(result) < 1


def test_unseen_class_is_neutral_and_does_not_move_the_others():
    result = weights([0.5, math.nan, 2.5, 1.0])
    assert result[1] == NEUTRAL_WEIGHT == 0.5
    np.testing.assert_allclose([result[i] for i in (0, 2, 3)], weights([0.5, 2.5, 1.0]), rtol=1e-12)


@pytest.mark.parametrize("values", [[], [1.0], [math.nan] * 3, [math.nan, 1.0, math.nan]])
def test_fewer_than_two_seen_classes_are_neutral(values):
    assert weights(values) == [0.5] * len(values)


@pytest.mark.parametrize("num_classes", [2, 3, 6, 9, 17])
def test_equal_losses_are_neutral(num_classes):
    for value in (0.1, 0.7, 1.1, 2.3, 9.01):
        result = weights([value] * num_classes)
        np.testing.assert_allclose(result, 0.5, atol=1e-6, err_msg=f"losses of {value}")


def test_losses_equal_up_to_rounding_are_neutral():
    """The same history at two frequencies leaves a difference in the last bit, and no more."""
    value = 2.018137
    values = [value, math.nextafter(value, 3), math.nextafter(value, 1)]
    np.testing.assert_allclose(weights(values), 0.5, atol=1e-6)


def test_sharpness_of_zero_is_uniform():
    np.testing.assert_allclose(weights([0.1, 5.0, 2.0], sharpness=0.0), 0.5, rtol=1e-12)


def test_input_is_left_alone_and_float32_is_taken():
    class_loss = torch.tensor([0.5, math.nan, 2.5])
    kept = class_loss.clone()
    result = class_loss_weights(class_loss, sharpness=2.0)
    assert torch.equal(class_loss.nan_to_num(-1), kept.nan_to_num(-1))
    assert result.dtype == torch.float64


def by_loss_blend(step, horizon, progress=0.5, **content):
    by_loss = ByClassLoss(horizon_steps=horizon, **content)
    return blend_at(by_loss, progress=progress, step=step, max_steps=1000)


@pytest.mark.parametrize("horizon", [20, 40, 1000])
def test_weights_blend_in_over_the_second_horizon(horizon):
    shares = {0: 0, 0.5: 0, 1: 0, 1.25: 0.25, 1.5: 0.5, 1.9: 0.9, 2: 1, 3: 1, 100: 1}
    for horizons, share in shares.items():
        step = round(horizons * horizon)
        assert by_loss_blend(step, horizon) == pytest.approx(share, abs=1e-12), horizons


def test_blend_of_a_broken_horizon():
    blends = [
        blend_at(ByClassLoss(), progress=0.5, step=step, max_steps=1250)
        for step in (62, 63, 75, 124, 125)
    ]
    np.testing.assert_allclose(blends, [0, 0.008, 0.2, 0.984, 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("max_steps", "horizon"),
    [(200, 10), (2000, 100), (19_999, 999.95), (20_000, 1000), (10**6, 1000), (1, 1)],
)
def test_automatic_horizon_is_five_percent_and_at_most_a_thousand_steps(max_steps, horizon):
    assert ByClassLoss().horizon(max_steps) == pytest.approx(horizon)


def test_given_horizon_is_taken():
    assert ByClassLoss(horizon_steps=1000).horizon(2000) == 1000


def test_blend_of_the_weights_is_the_schedule_times_that_of_the_horizons():
    rising = Linear(start=0.0, end=1.0)
    assert by_loss_blend(75, 50, blend=rising) == pytest.approx(0.5 * 0.5)
    assert by_loss_blend(500, 50, blend=rising) == pytest.approx(0.5)
    assert by_loss_blend(0, "auto", progress=0.0, blend_in=False) == 1.0
    assert by_loss_blend(50, "auto", progress=0.9) == 0.0
    assert blend_at(ByFrequency(blend=rising), progress=0.25, step=0, max_steps=1) == 0.25
    assert blend_at(Uniform(), progress=0.25, step=0, max_steps=1) == 0.0


counts = st.lists(st.integers(0, 10**9), min_size=1, max_size=20)


@given(counts, st.floats(0, 2), st.integers(1, 1000))
@random_examples(50)
def test_frequency_weights_are_an_inverse_power_of_the_count(values, power, least):
    """`max(count, least) ** -power`, scaled so that the mean over the corpus' tokens is 1."""
    result = frequency_weights(torch.tensor(values), power=power, least_count=least).numpy()
    raw = [max(n, least) ** -power for n in values]
    mean = sum(n * w for n, w in zip(values, raw, strict=True)) / sum(values) if any(values) else 1
    np.testing.assert_allclose(result, np.array(raw) / mean, rtol=1e-9)
    assert (result > 0).all()


def test_frequency_weights_by_hand():
    result = frequency_weights(torch.tensor([400, 100, 4, 0]), power=0.5, least_count=25)
    quotients = (result / result[0]).tolist()
    assert quotients == pytest.approx([1, 2, 4, 4])
    uniform = frequency_weights(torch.tensor([400, 100, 4, 0]), power=0.0, least_count=25)
    assert uniform.tolist() == [1.0] * 4


def test_table_names_classes_and_the_others():
    table = ByTable(weights={"NOUN": 2.0, "DET": 0.0}, others=0.5)
    assert table.class_weights(("DET", "NOUN", "SYM")) == [0.0, 2.0, 0.5, 0.5]
    assert ByTable(weights={"SYM": 1.0}).class_weights(("DET", "SYM")) == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("name", "nearest"), [("NOUNS", "NOUN"), ("noun", None), ("PROP", "PROPN"), ("VRB", "VERB")]
)
def test_unknown_class_is_refused_with_the_nearest_name(name, nearest):
    hint = rf"names no class.*Did you mean {nearest}\?" if nearest else "names no class"
    with pytest.raises(ValueError, match=rf"weights\.{name} {hint}"):
        ByTable(weights={name: 1.0}).class_weights(UPOS)


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (ByClassLoss, {"sharpness": -1.0}, "sharpness=-1"),
        (ByClassLoss, {"sharpness": math.nan}, "sharpness=nan"),
        (ByClassLoss, {"horizon_steps": 0}, "horizon_steps=0"),
        (ByTable, {"weights": {"NOUN": -0.5}}, r"weights\.NOUN=-0\.5"),
        (ByTable, {"weights": {"DET": 1.0, "NOUN": math.nan}}, r"weights\.NOUN=nan"),
        (ByTable, {"weights": {"NOUN": math.inf}}, r"weights\.NOUN=inf"),
        (ByTable, {"weights": {"NOUN": 1.0}, "others": -1.0}, "others=-1"),
        (ByTable, {"weights": {"NOUN": 0.0, "DET": 0.0}}, "NOUN, DET and others are all 0"),
        (ByTable, {"weights": {}}, "all 0"),
        (ByFrequency, {"power": -0.5}, r"power=-0\.5"),
        (ByFrequency, {"power": math.nan}, "power=nan"),
        (ByFrequency, {"least_count": 0}, "least_count=0"),
    ],
)
def test_wrong_setting_is_refused_with_its_name_and_value(kind, wrong, message):
    with pytest.raises(ValueError, match=message):
        kind(**wrong)


def test_table_names_each_weighting_as_the_setting_does():
    assert {kind.weighting: kind for kind in WEIGHTINGS.values()} == WEIGHTINGS
