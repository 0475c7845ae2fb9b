"""The difference at each step: SciPy's t-test of that step, over the steps that all runs share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tidemask.statistics import MeasuredCurve, compare_arms
from tidemask.statistics.by_step import differences_by_step

STEPS = (100.0, 200.0, 300.0)
BASE = np.array([[9.0, 7.0, 5.0], [9.1, 7.3, 5.2], [8.8, 7.1, 4.7]])
ARM = np.array([[8.5, 7.0, 5.4], [8.7, 7.1, 5.3], [8.6, 7.2, 5.1]])


def _curves(values: np.ndarray, steps: tuple[float, ...] = STEPS) -> dict[int, MeasuredCurve]:
    return {
        seed: MeasuredCurve(values=row, axes={"steps": steps, "tokens": np.multiply(steps, 8)})
        for seed, row in enumerate(values)
    }


def test_each_step_is_the_paired_t_test_of_its_values() -> None:
    found = differences_by_step(_curves(ARM), _curves(BASE))
    assert [at.step for at in found] == list(STEPS)
    for at, ours, theirs in zip(found, ARM.T, BASE.T, strict=True):
        expected = stats.ttest_rel(ours, theirs)
        interval = expected.confidence_interval(0.95)
        assert at.mean == pytest.approx((ours - theirs).mean())
        assert at.estimate is not None
        assert (at.estimate.low, at.estimate.high) == pytest.approx(tuple(interval))
        assert at.estimate.p == pytest.approx(expected.pvalue)


def test_other_seeds_are_compared_as_independent_samples() -> None:
    others = {seed + 10: curve for seed, curve in _curves(ARM).items()}
    found = differences_by_step(others, _curves(BASE))
    expected = stats.ttest_ind(ARM[:, 0], BASE[:, 0], equal_var=False)
    assert found[0].estimate is not None
    assert found[0].estimate.p == pytest.approx(expected.pvalue)


def test_steps_that_not_all_runs_have_are_left_out() -> None:
    """An arm that was measured at other steps is compared at those it shares."""
    arm = _curves(ARM, steps=(100.0, 250.0, 300.0))
    found = differences_by_step(arm, _curves(BASE))
    assert [at.step for at in found] == [100.0, 300.0]
    assert found[1].mean == pytest.approx((ARM[:, 2] - BASE[:, 2]).mean())


def test_one_seed_has_a_difference_and_no_interval() -> None:
    found = differences_by_step(_curves(ARM[:1]), _curves(BASE[:1]))
    assert [at.mean for at in found] == pytest.approx(list(ARM[0] - BASE[0]))
    assert all(at.estimate is None for at in found)


def test_curves_without_steps_are_not_compared() -> None:
    curves = {0: MeasuredCurve(values=[2.0, 1.0], axes={"tokens": [1.0, 2.0]})}
    assert differences_by_step(curves, curves) == ()


def test_the_last_step_is_the_difference_of_final_values() -> None:
    values = {
        name: {seed: float(row[-1]) for seed, row in enumerate(rows)}
        for name, rows in (("base", BASE), ("arm", ARM))
    }
    curves = {"base": _curves(BASE), "arm": _curves(ARM)}
    (one,) = compare_arms(values, baseline="base", direction="lower", curves=curves).arms
    assert one.by_step[-1].estimate == one.difference.estimate
    (without,) = compare_arms(values, baseline="base", direction="lower").arms
    assert without.by_step == ()
