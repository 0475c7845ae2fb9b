"""Verdicts in words, by fixed rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tidemask.statistics.estimate import CONFIDENCE, Estimate
from tidemask.statistics.items import ItemDifference
from tidemask.statistics.planning import MAX_SEEDS, seeds_needed
from tidemask.statistics.samples import Direction
from tidemask.statistics.seeds import SeedDifference

Finding = Literal["better", "worse", "equal", "not shown"]
"""What is shown of an arm; `equal` is said within a margin."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is shown of an arm against the baseline.

    Attributes:
        finding: the first of these that holds: `equal`, where both one-sided tests say that the
            difference is within the margin; `better` or `worse`, where the t-test says that it is
            not 0; `not shown`.
        sentence: the same in words, with its numbers.
        more_seeds: how many more seeds would show, with probability `POWER`, a difference as large
            as the mean difference, or as the margin where that is larger; `None` where something
            is shown, where the seeds have no spread, and where `MAX_SEEDS` would not do.
    """

    finding: Finding
    sentence: str
    more_seeds: int | None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What verdicts on a measure go by.

    Attributes:
        baseline: its name.
        direction: which values are better.
        margin: differences up to this size do not matter; `None` where none is given.
        primary: whether the measure was declared to decide; all others are exploratory.
        num_tests: how many arms are compared with the baseline.
        unit: of the measure, which stands behind a difference; empty where none was given.
    """

    baseline: str
    direction: Direction
    margin: float | None
    primary: bool
    num_tests: int
    unit: str = ""

    @property
    def level(self) -> float:
        """Level of one test: with Holm's rule that of the first of them."""
        return (1 - CONFIDENCE) / (self.num_tests if self.primary else 1)

    def adjusted(self, p: Sequence[float | None]) -> list[float | None]:
        """The p of all arms after Holm's rule where the measure is primary; else as they are.

        A missing p counts as 1 and stays missing: the arm was compared, and nothing was shown.

        References:
            Holm, A simple sequentially rejective multiple test procedure, 1979.
        """
        if not self.primary:
            return list(p)
        filled = np.array([1.0 if value is None else value for value in p])
        order = np.argsort(filled)
        stepped = np.maximum.accumulate(filled[order] * np.arange(len(p), 0, -1))
        adjusted = np.empty_like(stepped)
        adjusted[order] = np.minimum(stepped, 1.0)
        return [None if old is None else float(new) for old, new in zip(p, adjusted, strict=True)]


def judge(
    rules: Rules,
    arm: str,
    difference: SeedDifference,
    items: ItemDifference | None,
    *,
    p: float | None,
    equivalence_p: float | None,
) -> Verdict:
    """The verdict on one arm, by the rules that `Verdict` states.

    Args:
        rules: of the measure.
        arm: its name.
        difference: over seeds.
        items: the same over seeds and items, where there are some; it then decides.
        p: of the deciding t-test, adjusted.
        equivalence_p: of the two one-sided tests, adjusted; `None` without margin.
    """
    estimate = items.estimate if items else difference.estimate
    begin = "" if rules.primary else "Exploratory: "
    if estimate is None or p is None:
        return Verdict(
            finding="not shown",
            sentence=f"{begin}{arm} differs from {rules.baseline} by {_without(rules, difference)}",
            more_seeds=None,
        )
    numbers = _numbers(rules, estimate, difference, items)
    if equivalence_p is not None and rules.margin is not None and equivalence_p <= 1 - CONFIDENCE:
        words = f"{arm} equals {rules.baseline} within ±{_figures(rules.margin)}: {numbers}."
        return Verdict(finding="equal", sentence=begin + words, more_seeds=None)
    if p <= 1 - CONFIDENCE:
        better = (estimate.mean < 0) == (rules.direction == "lower")
        finding: Finding = "better" if better else "worse"
        words = f"{arm} is {finding} than {rules.baseline}: {numbers}."
        return Verdict(finding=finding, sentence=begin + words, more_seeds=None)
    more, needs = _needs(rules, difference, items)
    if estimate.p <= 1 - CONFIDENCE:
        adjusted = f"{_figures(p)} with {rules.num_tests} arms compared (Holm)"
        numbers += f"; p = {_figures(estimate.p)} is {adjusted}"
    words = f"{arm} is not shown to differ from {rules.baseline}: {numbers}. {needs}"
    return Verdict(finding="not shown", sentence=begin + words, more_seeds=more)


def _numbers(
    rules: Rules, estimate: Estimate, difference: SeedDifference, items: ItemDifference | None
) -> str:
    """A difference with its interval, and what it is of."""
    num = len(difference.by_seed)
    times = f" × {items.num_items:,} items" if items else ""
    if difference.paired:
        of = f"{num} seeds{times}, paired"
    else:
        of = f"{num} and {len(difference.baseline_seeds)} seeds{times}, not paired: Welch"
    if difference.left_out:
        of += f"; left out, without a partner: {', '.join(map(str, difference.left_out))}"
    interval = f"{_signed(estimate.low)} to {_signed(estimate.high)}"
    mean = _in_unit(estimate.mean, rules.unit)
    return f"{mean} ({100 * CONFIDENCE:g} % interval {interval}; {of})"


def _without(rules: Rules, difference: SeedDifference) -> str:
    """A difference without interval, and why there is none."""
    mean = _in_unit(difference.mean, rules.unit)
    if difference.spread is None:
        return f"{mean} with one seed: no interval, and nothing is shown."
    return (
        f"{mean}, the same with each of {len(difference.by_seed)} seeds: "
        "no interval, and nothing is shown."
    )


def _needs(
    rules: Rules, difference: SeedDifference, items: ItemDifference | None
) -> tuple[int | None, str]:
    """How many more seeds would show an effect, as a number and as a sentence."""
    effect = max(abs(difference.mean), rules.margin or 0.0)
    needed = None
    if difference.spread and effect > 0:
        item_variance = items.item_variance if items else 0.0
        needed = seeds_needed(
            effect, difference.spread, item_variance=item_variance, level=rules.level
        )
    if needed is None:
        also = " More items may." if items else ""
        return None, f"{MAX_SEEDS} seeds would not show a difference of {_figures(effect)}.{also}"
    present = min(len(difference.by_seed), len(difference.baseline_seeds))
    more = max(1, needed - present)
    seeds = "seed" if more == 1 else "seeds"
    return more, f"A difference of {_figures(effect)} needs about {more} more {seeds}."


def _in_unit(value: float, unit: str) -> str:
    return f"{_signed(value)} {unit}".rstrip()


def _signed(value: float) -> str:
    return "+" * (value > 0) + _figures(value)


def _figures(value: float) -> str:
    """Three figures, with minus signs."""
    return f"{value:.3g}".replace("-", "−")
