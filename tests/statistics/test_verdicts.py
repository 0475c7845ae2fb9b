"""Verdicts: each rule, Holm against closed testing, and the words."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from tidemask.statistics import Finding, compare_arms
from tidemask.statistics.estimate import Estimate
from tidemask.statistics.verdicts import Rules

BASE = {seed: 3.0 + 0.1 * np.sin(seed) for seed in range(6)}
NOISE = (0.01, -0.02, 0.01, 0.02, -0.01, -0.01)


def _arm(shift: float, spread: float = 1.0) -> dict[int, float]:
    """With the mean difference `shift`; the standard deviation of the six is 0.0155 x `spread`."""
    return {s: BASE[s] + shift + spread * noise for s, noise in enumerate(NOISE)}


def _rules(*, primary: bool, num_tests: int) -> Rules:
    return Rules(
        baseline="base", direction="lower", margin=None, primary=primary, num_tests=num_tests
    )


@pytest.mark.parametrize(
    ("shift", "margin", "lower", "higher"),
    [
        (-0.05, None, "better", "worse"),
        (0.05, None, "worse", "better"),
        (0.001, None, "not shown", "not shown"),
        (0.001, 0.02, "equal", "equal"),
        (0.05, 0.02, "worse", "better"),
        (-0.018, 0.04, "equal", "equal"),  # not 0, and too small to matter
        (0.001, 0.001, "not shown", "not shown"),
    ],
)
def test_verdict_is_the_first_rule_that_holds(
    shift: float, margin: float | None, lower: Finding, higher: Finding
) -> None:
    values = {"base": BASE, "arm": _arm(shift)}
    for direction, finding in (("lower", lower), ("higher", higher)):
        (found,) = compare_arms(values, baseline="base", direction=direction, margin=margin).arms  # type: ignore[arg-type]
        assert found.verdict.finding == finding
        assert finding == "not shown" or found.verdict.more_seeds is None


def test_equivalence_p_is_that_of_two_one_sided_tests() -> None:
    d = np.array(NOISE) + 0.01
    error = d.std(ddof=1) / np.sqrt(6)
    found = Estimate.of(d.mean(), error, 5).equivalence_p(0.02)
    one_sided = [
        stats.ttest_1samp(d, bound, alternative=alternative).pvalue
        for bound, alternative in ((-0.02, "greater"), (0.02, "less"))
    ]
    assert found == pytest.approx(max(one_sided))
    high = stats.ttest_1samp(d, 0).confidence_interval(0.9).high
    assert Estimate.of(d.mean(), error, 5).equivalence_p(high) == pytest.approx(0.05)


def test_holm_is_the_closure_of_bonferronis_tests() -> None:
    """A hypothesis falls where every set of hypotheses that has it falls."""
    p = [0.012, 0.6, 0.02, 0.011, 0.02]
    closed = [
        max(
            min(1.0, size * min(p[j] for j in chosen))
            for size in range(1, 6)
            for chosen in combinations(range(5), size)
            if i in chosen
        )
        for i in range(5)
    ]
    assert _rules(primary=True, num_tests=5).adjusted(p) == pytest.approx(closed)
    assert _rules(primary=False, num_tests=5).adjusted(p) == p


def test_holm_counts_an_arm_without_interval() -> None:
    found = _rules(primary=True, num_tests=3).adjusted([0.01, None, 0.04])
    assert found == [pytest.approx(0.03), None, pytest.approx(0.08)]


def test_verdict_of_a_primary_measure_is_held_to_holms_level() -> None:
    weak, strong = _arm(-0.02, 1.1), _arm(-0.1)
    values = {"base": BASE, "weak": weak, "none": _arm(0.0), "strong": strong}
    primary, exploratory = (
        {arm.arm: arm.verdict for arm in
         compare_arms(values, baseline="base", direction="lower", primary=flag).arms}
        for flag in (True, False)
    )  # fmt: skip
    assert [primary[arm].finding for arm in ("weak", "strong")] == ["not shown", "better"]
    assert [exploratory[arm].finding for arm in ("weak", "strong")] == ["better", "better"]
    assert "p = 0.0348 is 0.0696 with 3 arms compared (Holm)" in primary["weak"].sentence
    assert exploratory["weak"].sentence.startswith("Exploratory: weak is better than base: −0.02 ")


def test_verdict_not_shown_says_how_many_seeds_would_do() -> None:
    """As many as the noncentral t asks for, less those there are."""
    (found,) = compare_arms(
        {"base": BASE, "arm": _arm(0.005)}, baseline="base", direction="lower", margin=0.01
    ).arms
    scale = np.std(NOISE, ddof=1)

    def power(n: int) -> float:
        return float(stats.nct.sf(stats.t.isf(0.025, n - 1), n - 1, 0.01 / scale * n**0.5))

    needed = next(n for n in range(2, 99) if power(n) >= 0.8)
    assert found.verdict.more_seeds == needed - 6
    assert found.verdict.sentence == (
        "arm is not shown to differ from base: +0.005 (95 % interval −0.0113 to +0.0213; "
        f"6 seeds, paired). A difference of 0.01 needs about {needed - 6} more seeds."
    )


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ({0: BASE[0] - 1}, "arm differs from base by −1 with one seed: no interval, and nothing"),
        ({s: BASE[s] - 1 for s in range(3)}, "by −1, the same with each of 3 seeds: no interval"),
        ({s + 9: v for s, v in _arm(-1).items()}, "6 and 6 seeds, not paired: Welch)."),
        ({**_arm(-1), 9: 2.0}, "6 seeds, paired; left out, without a partner: 9)."),
        ({s: v - 1e-9 * s for s, v in BASE.items()}, "base: −2.5e−09 (95 % interval −4.46e−09 to"),
    ],
    ids=["one seed", "no spread", "other seeds", "left out", "tiny"],
)
def test_verdict_sentence_says_what_it_rests_on(arm: dict[int, float], words: str) -> None:
    (found,) = compare_arms({"base": BASE, "arm": arm}, baseline="base", direction="lower").arms
    assert words in found.verdict.sentence


def test_verdict_gives_up_where_seeds_do_not_help() -> None:
    arm = {s: v + (-1) ** s for s, v in _arm(0.0001).items()}
    (found,) = compare_arms({"base": BASE, "arm": arm}, baseline="base", direction="lower").arms
    assert found.verdict.more_seeds is None
    assert found.verdict.sentence.endswith(". 1000 seeds would not show a difference of 0.0001.")
