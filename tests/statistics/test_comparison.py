"""The comparison of all arms: what decides, what is refused, and that it can be written down."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from tidemask.errors import UserError
from tidemask.statistics import Items, MeasuredCurve, compare_arms

RNG = np.random.default_rng(4)
ITEMS = {arm: shift + RNG.normal(0, 0.3, 40)  # what an arm does to each item, with every seed
         for arm, shift in (("bert", 0.0), ("mrd", -0.06), ("ptw", 0.01))}  # fmt: skip
SUMS = {
    arm: {seed: 3 + seed / 10 + of_items + RNG.normal(0, 0.02, 40) for seed in range(4)}
    for arm, of_items in ITEMS.items()
}
VALUES = {arm: {seed: float(x.mean()) for seed, x in runs.items()} for arm, runs in SUMS.items()}
CURVES = {
    arm: {seed: MeasuredCurve(values=[9, 5, value], axes={"steps": [0, 50, 100]})
          for seed, value in runs.items()}
    for arm, runs in VALUES.items()
}  # fmt: skip


def _compare(values: Any = VALUES, **given: Any) -> Any:
    return compare_arms(values, **{"baseline": "bert", "direction": "lower", **given})


def test_comparison_has_every_arm_but_the_baseline_in_order() -> None:
    found = _compare({"ptw": VALUES["ptw"], **VALUES})
    assert [arm.arm for arm in found.arms] == ["ptw", "mrd"]
    assert found.rules.num_tests == 2
    assert found.arms[1].improvement.probability > 0.5
    assert found.arms[1].match is found.arms[1].items is None


def test_comparison_with_items_is_decided_by_them() -> None:
    """Items that differ much take the certainty from a difference that holds for these items."""
    alone, both = _compare().arms[0], _compare(items=Items(sums=SUMS)).arms[0]
    assert both.difference == alone.difference
    assert both.items.estimate.mean == pytest.approx(alone.difference.mean)
    assert (alone.verdict.finding, both.verdict.finding) == ("better", "not shown")
    assert both.verdict.sentence.endswith(" More items may.")
    assert both.smallest_detectable > alone.smallest_detectable
    assert "4 seeds × 40 items, paired" in both.verdict.sentence


def test_comparison_is_what_json_can_hold_and_comes_out_the_same_again() -> None:
    given = {"items": Items(sums=SUMS), "curves": CURVES, "margin": 0.02}
    first, second = (json.dumps(dataclasses.asdict(_compare(**given)), allow_nan=False)
                     for _ in range(2))  # fmt: skip
    assert first == second
    arms = json.loads(first)["arms"]
    assert arms[0]["difference"]["by_seed"].keys() == {"0", "1", "2", "3"}
    assert 50 < arms[0]["match"]["at"]["steps"] < 100


def test_comparison_takes_curves_of_some_arms_alone() -> None:
    found = _compare(curves={arm: CURVES[arm] for arm in ("bert", "ptw")})
    assert [arm.match is None for arm in found.arms] == [True, False]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"baseline": "brt"}, "baseline=brt. Expected one of .* Did you mean bert?"),
        ({"values": {"bert": {0: 1.0}}}, "arms: bert alone"),
        ({"direction": "down"}, "direction='down'. Expected lower or higher"),
        ({"margin": 0}, "margin=0. Expected a number above 0"),
        ({"margin": "0.1"}, "margin='0.1'. Expected"),
        ({"values": {**VALUES, "x": {}}}, "arm x has no runs"),
        ({"values": {**VALUES, "x": {3: float("nan")}}}, "arm x, seed 3: nan. Expected a finite"),
        ({"items": Items(sums={**SUMS, "mrd": SUMS["ptw"]})}, "items: those of arm mrd, seed 0"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_comparison_of_what_cannot_be_compared_is_refused(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        _compare(**given)
