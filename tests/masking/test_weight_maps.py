"""Maps from numbers to weights, against SciPy and plain Python."""

import math
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cases import all_cases, random_examples
from tidemask.masking.map_settings import PowerMap, RankMap, SigmoidMap
from tidemask.masking.weight_maps import mapped
from tidemask.masking.weights import class_loss_weights

numbers = st.lists(st.floats(0.01, 12).map(lambda x: round(x, 2)), min_size=2, max_size=20)
MAPS = {"sigmoid": SigmoidMap(sharpness=1.5), "power": PowerMap(exponent=0.7), "rank": RankMap()}


def reference(values, name):
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    if len(set(values)) < 2:
        return [math.nan] * len(values)
    if name == "rank":
        return [(2 * r - 1) / len(values) for r in stats.rankdata(values)]
    if name == "power":
        return [(x / mean) ** 0.7 for x in values]
    return [2 / (1 + math.exp(-1.5 * (x - mean) / spread)) for x in values]


@given(numbers, st.sampled_from(sorted(MAPS)))
@random_examples(80)
def test_weights_equal_the_formula(values, name):
    result = mapped(torch.tensor(values, dtype=torch.float64), MAPS[name])
    np.testing.assert_allclose(result, reference(values, name), rtol=1e-9)


@given(numbers, st.sampled_from(sorted(MAPS)))
@random_examples(40)
def test_unknown_numbers_change_no_other_weight(values, name):
    alone = mapped(torch.tensor(values, dtype=torch.float64), MAPS[name])
    gaps = [x for value in values for x in (math.nan, value)]
    among = mapped(torch.tensor(gaps, dtype=torch.float64), MAPS[name])
    assert among[::2].isnan().all()
    np.testing.assert_allclose(among[1::2], alone, rtol=1e-9)


@all_cases("name", MAPS)
def test_rows_do_not_see_each_other(name):
    rows = torch.rand(5, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows[1, 3] = rows[2, 0] = rows[2, 1] = math.nan
    together = mapped(rows, MAPS[name])
    for row, weights in zip(rows, together, strict=True):
        torch.testing.assert_close(mapped(row, MAPS[name]), weights, equal_nan=True)


@given(numbers, st.floats(0, 5))
@random_examples(40)
def test_sigmoid_is_twice_that_of_the_class_loss(values, sharpness):
    """But for the last bits: a sum over a row need not add in the order of a sum over all."""
    losses = torch.tensor(values, dtype=torch.float64)
    twice = 2.0 * class_loss_weights(losses, sharpness=sharpness)
    ours = mapped(losses, SigmoidMap(sharpness=sharpness))
    np.testing.assert_allclose(ours, twice, rtol=1e-13)


@all_cases("name", MAPS)
def test_numbers_that_do_not_differ_decide_nothing(name):
    for values in ([3.0], [2.0, 2.0], [math.nan, 1.0], [math.nan] * 3, []):
        assert mapped(torch.tensor(values, dtype=torch.float64), MAPS[name]).isnan().all()


def test_power_takes_numbers_below_zero_for_zero():
    assert mapped(torch.tensor([-2.0, 1.0, 3.0]), PowerMap()).tolist() == [0.0, 0.75, 2.25]


def test_exponent_beyond_what_stays_finite_is_refused():
    largest = mapped(torch.tensor([1.0] + [0.0] * 200_000), PowerMap(exponent=16.0))
    assert largest.isfinite().all()
    with pytest.raises(ValueError, match=r"exponent=17. Expected a number from 0 to 16"):
        PowerMap(exponent=17.0)
