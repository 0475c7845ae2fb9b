"""A study whose arms were to spend alike, and did not: it is said, with what they spent."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthetic_runs import MakeRun, read_runs
from tidemask.run_record import PREDICTED_TOKENS, append_metrics, read_metrics
from tidemask.studies.definition import Arm, Equal, StudyDefinition
from tidemask.studies.spending import unequal_spending


def of_arms(make_run: MakeRun, factor: float) -> list[Path]:
    """Two arms of two seeds, of which the second predicts another number of tokens."""
    runs = []
    for seed in (0, 1):
        runs.append(make_run(f"bert-{seed}", seed=seed))
        other = make_run(f"ptw-{seed}", recipe="ptw", seed=seed)
        lines = read_metrics(other / "metrics.jsonl")
        (other / "metrics.jsonl").unlink()
        for line in lines:
            if PREDICTED_TOKENS in line:
                line[PREDICTED_TOKENS] = round(line[PREDICTED_TOKENS] * factor)
            append_metrics(other / "metrics.jsonl", line)
        runs.append(other)
    return runs


def study(equal: Equal) -> StudyDefinition:
    arms = {name: Arm(recipe=name) for name in ("bert", "ptw")}
    return StudyDefinition(corpus="c", arms=arms, baseline="bert", seeds=(0, 1), equal=equal)


@pytest.mark.parametrize(("factor", "is_told"), [(1.0, False), (0.985, False), (0.7, True)])
def test_spending_that_differs_is_told_with_both_numbers(
    make_run: MakeRun, factor: float, is_told: bool
) -> None:
    runs = read_runs(of_arms(make_run, factor))
    told = unequal_spending(runs, study("predicted_tokens"))
    assert bool(told) == is_told
    if is_told:
        found = {arm: [run.last(PREDICTED_TOKENS) for run in runs if run.arm == arm] for arm in
                 ("bert", "ptw")}  # fmt: skip
        spent = [f"{(one + other) / 2:,.0f}" for one, other in found.values()]
        assert told[0].startswith("Not on equal terms: equal=predicted_tokens, and a run of ptw")
        assert all(number in told[0] for number in spent)
        assert "which masks may not reach" in told[0], "either arm may be the one that fell short"
    assert unequal_spending(runs, study("steps")) == []
