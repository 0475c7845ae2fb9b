"""Steps to match: places on straight lines, the t-test inverted by hand, what is not reached."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from tidemask.errors import UserError
from tidemask.statistics import MeasuredCurve
from tidemask.statistics.steps_to_match import steps_to_match

STEPS = np.array([0.0, 100.0, 200.0, 300.0, 400.0])


def _curve(*values: float, tokens: float = 10.0) -> MeasuredCurve:
    axes = {"steps": STEPS[: len(values)], "tokens": tokens * STEPS[: len(values)] ** 2}
    return MeasuredCurve(values=values, axes=axes)


BASE = {0: _curve(9, 7, 5, 4, 3), 1: _curve(9, 7, 5, 4, 3.4), 2: _curve(9, 7, 5, 4, 2.9)}
ARM = {0: _curve(9, 5, 3.5, 2.5, 2), 1: _curve(9, 6, 3, 2.5, 2), 2: _curve(9, 5.5, 3.5, 2, 1.5)}


def test_steps_to_match_are_those_of_the_mean_curve() -> None:
    found = steps_to_match(ARM, BASE, direction="lower")
    assert found.target == pytest.approx(3.1)
    part = 10 / 3 - 3.1  # of the way from 10/3 at step 200 to 7/3 at step 300
    tokens = 10 * (200**2 + (300**2 - 200**2) * part)
    assert found.at == pytest.approx({"steps": 200 + 100 * part, "tokens": tokens})
    assert found.budget == {"steps": 400, "tokens": 10 * 400**2}


def test_steps_to_match_of_each_seed_are_to_the_same_seed_of_the_baseline() -> None:
    found = steps_to_match(ARM, BASE, direction="lower")
    steps = {seed: place and place["steps"] for seed, place in found.by_seed.items()}
    assert steps == pytest.approx({0: 250, 1: 100 + 100 * 2.6 / 3, 2: 200 + 100 * 0.6 / 1.5})


def test_steps_to_match_interval_is_the_t_test_inverted() -> None:
    """Where the t-interval of the gap, on straight lines between logged steps, holds 0."""
    found = steps_to_match(ARM, BASE, direction="lower").interval
    gaps = np.array([np.array(ARM[s].values) - np.array(BASE[s].values)[-1] for s in ARM])
    half = stats.t.ppf(0.975, 2) * gaps.std(0, ddof=1) / np.sqrt(3)
    fine = np.linspace(0, 400, 400_001)
    low, high = (np.interp(fine, STEPS, gaps.mean(0) + sign * half) for sign in (-1, 1))
    inside = fine[(low <= 0) & (high >= 0)]
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low["steps"] == pytest.approx(inside[0], abs=2e-3)
    assert found.high["steps"] == pytest.approx(inside[-1], abs=2e-3)


def test_steps_to_match_of_higher_measures_mirror_those_of_lower_ones() -> None:
    mirrored = [
        {seed: MeasuredCurve(values=-np.array(c.values), axes=c.axes) for seed, c in arm.items()}
        for arm in (ARM, BASE)
    ]
    lower, higher = steps_to_match(ARM, BASE, direction="lower"), steps_to_match(
        *mirrored, direction="higher"
    )  # fmt: skip
    assert (higher.at, higher.interval, higher.by_seed) == (lower.at, lower.interval, lower.by_seed)
    assert higher.target == -lower.target


def test_steps_to_match_that_are_not_reached_are_open() -> None:
    late = {seed: _curve(9, 8, 7, 6, 3.05 + 0.1 * seed) for seed in BASE}
    found = steps_to_match(late, BASE, direction="lower")
    assert found.at is None
    assert found.interval is not None
    assert found.interval.low is not None
    assert found.interval.low["steps"] > 300
    assert found.interval.high is None
    assert [place is None for place in found.by_seed.values()] == [True, False, True]
    never = {seed: _curve(9, 8, 7, 6, 5 + 0.1 * seed) for seed in BASE}
    interval = steps_to_match(never, BASE, direction="lower").interval
    assert interval is not None
    assert interval.low is interval.high is None


def test_steps_to_match_at_the_first_point_are_there() -> None:
    early = {seed: _curve(2 + 0.01 * seed, 1) for seed in BASE}
    found = steps_to_match(early, BASE, direction="lower")
    assert found.at == {"steps": 0, "tokens": 0}
    assert found.interval is not None
    assert found.interval.low == found.interval.high == found.at


def test_steps_to_match_of_curves_that_rise_again_are_the_first() -> None:
    """The interval reaches to where the target is surely reached for good."""
    waves = {seed: _curve(9, 3, 5, 2.5, 2.0 + 0.1 * seed) for seed in BASE}
    found = steps_to_match(waves, BASE, direction="lower")
    assert found.at is not None
    assert found.interval is not None
    assert found.interval.high is not None
    assert found.at["steps"] < 100
    assert found.interval.high["steps"] > 200


def test_steps_to_match_of_other_seeds_use_the_mean_target_and_welch() -> None:
    others = {seed + 10: curve for seed, curve in ARM.items()}
    found = steps_to_match(others, BASE, direction="lower")
    finals = np.array([np.array(curve.values)[-1] for curve in BASE.values()])
    test = stats.ttest_ind([3.5, 3, 3.5], finals, equal_var=False).confidence_interval()
    after = stats.ttest_ind([2.5, 2.5, 2], finals, equal_var=False).confidence_interval()
    crossing = 200 + 100 * test.high / (test.high - after.high)
    assert found.interval is not None
    assert found.interval.high is not None
    assert found.interval.high["steps"] == pytest.approx(crossing)
    assert found.by_seed[10] == pytest.approx({"steps": 240, "tokens": 10 * (4e4 + 0.4 * 5e4)})


def test_steps_to_match_without_spread_have_no_interval() -> None:
    assert steps_to_match({0: ARM[0]}, {0: BASE[0]}, direction="lower").interval is None
    same = dict.fromkeys(range(3), ARM[0]), dict.fromkeys(range(3), BASE[0])
    found = steps_to_match(*same, direction="lower")
    assert (found.interval, found.at) == (None, {"steps": 250, "tokens": 10 * (4e4 + 0.5 * 5e4)})


@pytest.mark.parametrize("first_seed", [0, 10], ids=["paired", "Welch"])
def test_steps_to_match_take_a_start_that_all_seeds_share(first_seed: int) -> None:
    """There the interval of the gap is the gap itself."""
    base = {seed: _curve(9, 7, 5, 4, 3) for seed in range(3)}
    arm = {first_seed + seed: _curve(9, 2.9 + 0.1 * seed) for seed in range(3)}
    found = steps_to_match(arm, base, direction="lower").interval
    low = stats.ttest_1samp([-0.1, 0.0, 0.1], 0).confidence_interval().low
    assert found is not None
    assert found.low is not None
    assert found.low["steps"] == pytest.approx(100 * 6 / (6 - low))


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (_curve(9, 8), "curve of arm, seed 1: values has the shape (2,). Expected (5,)"),
        (_curve(9, 8, np.nan, 1, 1), "seed 1: a number of values is not finite"),
        (MeasuredCurve(values=[9, 8, 7, 6, 5], axes={"steps": STEPS}), "Expected ['steps', 'tok"),
        (MeasuredCurve(values=[9, 8, 7, 6, 5], axes={"steps": [1]}), "steps has the shape (1,)"),
    ],
    ids=["other steps", "NaN", "other axes", "short axis"],
)
def test_steps_to_match_of_curves_that_do_not_fit_are_refused(
    curve: MeasuredCurve, message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        steps_to_match({0: ARM[0], 1: curve}, BASE, direction="lower")
