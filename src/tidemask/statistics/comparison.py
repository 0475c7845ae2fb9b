"""One measure of all arms, compared with the baseline: the numbers, the tests and the verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np

from tidemask.errors import UserError, did_you_mean
from tidemask.settings import is_number, shown
from tidemask.statistics.by_step import StepDifference, differences_by_step
from tidemask.statistics.estimate import Estimate
from tidemask.statistics.improvement import Improvement, improvement
from tidemask.statistics.items import ItemDifference, Items, item_difference
from tidemask.statistics.planning import smallest_detectable
from tidemask.statistics.samples import Direction, Samples
from tidemask.statistics.seeds import SeedDifference, seed_difference
from tidemask.statistics.steps_to_match import MeasuredCurve, StepsToMatch, steps_to_match
from tidemask.statistics.verdicts import Rules, Verdict, judge

Values = Mapping[str, Mapping[int, float]]
"""A measure by arm and seed."""

_Curves = Mapping[int, MeasuredCurve]

_ITEM_TOLERANCE = 1e-3
"""Sums kept in float32 give a value again to this relative difference."""


@dataclass(frozen=True, kw_only=True)
class ArmComparison:
    """One arm against the baseline.

    Attributes:
        arm: its name.
        difference: over seeds.
        items: over seeds and items, which then decides; `None` without items.
        p: of the t-test that decides, after Holm's rule over the arms where the measure is primary;
            `None` without an interval.
        equivalence_p: of two one-sided tests for the margin, adjusted in the same way.
        improvement: how often a run of the arm is better than one of the baseline.
        smallest_detectable: the difference that so many seeds show with probability `POWER`, in the
            unit of the measure; `None` without an interval.
        match: where the arm reaches the baseline's final value; `None` without curves.
        by_step: the difference at each step of the curves; empty without curves.
        verdict: what is shown.
    """

    arm: str
    difference: SeedDifference
    items: ItemDifference | None
    p: float | None
    equivalence_p: float | None
    improvement: Improvement
    smallest_detectable: float | None
    match: StepsToMatch | None
    by_step: tuple[StepDifference, ...]
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class MeasureComparison:
    """One measure of several arms against the baseline.

    It consists of dataclasses, mappings, tuples, texts and finite numbers alone, so that
    `dataclasses.asdict` gives what JSON can hold.

    Attributes:
        rules: baseline, direction, margin, and whether the measure is primary.
        arms: all but the baseline, in the order given.
    """

    rules: Rules
    arms: tuple[ArmComparison, ...]


def compare_arms(
    values: Values,
    *,
    baseline: str,
    direction: Direction,
    unit: str = "",
    margin: float | None = None,
    primary: bool = True,
    items: Items | None = None,
    curves: Mapping[str, Mapping[int, MeasuredCurve]] | None = None,
    draws_seed: int = 0,
) -> MeasureComparison:
    """Compares each arm with the baseline on one measure.

    Args:
        values: by arm and seed; a seed stands for the same weights, data order and dropout streams
            in every arm.
        baseline: the arm that others are compared with.
        direction: whether lower or higher values are better.
        unit: of the values, for the sentences; empty for none.
        margin: differences up to this size do not matter, in the unit of the measure, above 0.
            State it before the runs.
        primary: whether this measure was declared to decide; then p are adjusted over the arms.
        items: what `values` are made of, for an interval over seeds and items.
        curves: of a measure with the same direction, by arm and seed, for steps to match and for
            the difference at each step. Arms without curves have neither.
        draws_seed: of bootstrap and permutations, which give the same numbers every time.

    Raises:
        UserError: no baseline, a single arm, an arm without runs, a number that is not finite, or
            items or curves that do not fit the values.

    Example:
        >>> from tidemask.statistics import compare_arms
        >>> losses = {"bert": {0: 3.21, 1: 3.24, 2: 3.20}, "mrd": {0: 3.15, 1: 3.17, 2: 3.13}}
        >>> found = compare_arms(losses, baseline="bert", direction="lower", unit="nats")
        >>> found.arms[0].verdict.sentence
        'mrd is better than bert: −0.0667 nats (95 % interval −0.081 to −0.0523; 3 seeds, paired).'
    """
    _check(values, baseline, direction, margin)
    rules = Rules(
        baseline=baseline,
        direction=direction,
        margin=margin,
        primary=primary,
        num_tests=len(values) - 1,
        unit=unit,
    )
    arms = [arm for arm in values if arm != baseline]
    over_seeds = [
        seed_difference(values[arm], values[baseline], draws_seed=draws_seed) for arm in arms
    ]
    over_items = [
        _over_items(values, items, arm, baseline, draws_seed) if items else None for arm in arms
    ]
    deciding = [
        of_items.estimate if of_items else of_seeds.estimate
        for of_seeds, of_items in zip(over_seeds, over_items, strict=True)
    ]
    tests = zip(
        rules.adjusted([None if estimate is None else estimate.p for estimate in deciding]),
        rules.adjusted([_equivalence(estimate, margin) for estimate in deciding]),
        strict=True,
    )
    found = []
    for arm, difference, item, (p, equal) in zip(arms, over_seeds, over_items, tests, strict=True):
        pair = _both(curves, arm, baseline)
        found.append(
            ArmComparison(
                arm=arm,
                difference=difference,
                items=item,
                p=p,
                equivalence_p=equal,
                improvement=improvement(
                    values[arm], values[baseline], direction, draws_seed=draws_seed
                ),
                smallest_detectable=_detectable(rules, difference, item),
                match=steps_to_match(*pair, direction=direction) if pair else None,
                by_step=differences_by_step(*pair) if pair else (),
                verdict=judge(rules, arm, difference, item, p=p, equivalence_p=equal),
            )
        )
    return MeasureComparison(rules=rules, arms=tuple(found))


def _equivalence(estimate: Estimate | None, margin: float | None) -> float | None:
    return None if estimate is None or margin is None else estimate.equivalence_p(margin)


def _detectable(
    rules: Rules, difference: SeedDifference, items: ItemDifference | None
) -> float | None:
    if difference.estimate is None or difference.spread is None:
        return None
    return smallest_detectable(
        difference.spread,
        min(len(difference.by_seed), len(difference.baseline_seeds)),
        item_variance=items.item_variance if items else 0.0,
        level=rules.level,
    )


def _over_items(
    values: Values, items: Items, arm: str, baseline: str, draws_seed: int
) -> ItemDifference:
    samples = Samples.of(values[arm], values[baseline])
    for name, seeds in ((arm, samples.arm_seeds), (baseline, samples.baseline_seeds)):
        for seed, value in zip(seeds, items.values(name, seeds), strict=True):
            if not np.isclose(value, values[name][seed], rtol=_ITEM_TOLERANCE):
                raise UserError(
                    f"items: those of arm {name}, seed {seed} give {value:g}, its value is "
                    f"{values[name][seed]:g}. Expected the items that the value was measured on."
                )
    return item_difference(items, arm, baseline, samples, draws_seed=draws_seed)


def _both(
    curves: Mapping[str, _Curves] | None, arm: str, baseline: str
) -> tuple[_Curves, _Curves] | None:
    """The curves of an arm and of the baseline; `None` where either has none."""
    if not curves or not curves.get(arm) or not curves.get(baseline):
        return None
    return curves[arm], curves[baseline]


def _check(values: Values, baseline: str, direction: object, margin: float | None) -> None:
    if baseline not in values:
        raise UserError(
            f"baseline={baseline}. Expected one of the arms: {', '.join(values)}."
            f"{did_you_mean(baseline, values)}"
        )
    if len(values) < 2:
        raise UserError(f"arms: {baseline} alone. Expected at least one more to compare with it.")
    if direction not in get_args(Direction):
        raise UserError(f"direction={shown(direction)}. Expected lower or higher.")
    if margin is not None and not (is_number(margin) and 0 < margin < math.inf):
        raise UserError(f"margin={shown(margin)}. Expected a number above 0.")
    for arm, by_seed in values.items():
        if not by_seed:
            raise UserError(f"arm {arm} has no runs. Expected at least one; or leave it out.")
        for seed, value in by_seed.items():
            if not (is_number(value) and math.isfinite(value)):
                raise UserError(
                    f"arm {arm}, seed {seed}: {shown(value)}. Expected a finite number. "
                    "Leave out that run, and say so."
                )
