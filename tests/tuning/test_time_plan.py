"""The division of a budget: it fits, and the least one that is named does."""

from __future__ import annotations

import dataclasses
import math
import re
from itertools import pairwise

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.tuning.time_plan import (
    GROWTH,
    MIN_POLICIES,
    MIN_PROMOTED,
    MIN_STEPS,
    RunCosts,
    Rung,
    TimePlan,
    planned_time,
)

COSTS = [RunCosts(step_seconds=step, other_seconds=other, final_seconds=2 * other)
         for step, other in ((0.002, 5.0), (0.1, 0.5), (0.1, 10.0), (3.0, 20.0))]  # fmt: skip


def least_hours(costs: RunCosts, jobs: int, seeds: int) -> float:
    """What is named where the budget is too small for anything."""
    with pytest.raises(UserError) as error:
        planned_time(costs, 1.0, num_seeds=seeds, jobs=jobs)
    least = re.search(r"at least ([0-9.e+]+) hours", str(error.value))
    assert least is not None, str(error.value)
    return float(least[1])


@all_cases(
    ("costs", "hours", "jobs", "seeds"),
    [(costs, hours, jobs, seeds) for costs in COSTS for hours in (0.3, 1.0, 12.0, 200.0)
     for jobs, seeds in ((1, 5), (1, 3), (1, 2), (4, 5), (64, 2))],
)  # fmt: skip
def test_parts_of_a_plan_take_no_more_than_the_budget(
    costs: RunCosts, hours: float, jobs: int, seeds: int
) -> None:
    budget = 3600 * hours
    least = least_hours(costs, jobs, seeds)
    if hours < least:
        with pytest.raises(UserError):
            planned_time(costs, 0.85 * 3600 * least, num_seeds=seeds, jobs=jobs)
        budget = 3600 * least
    plan = planned_time(costs, budget, num_seeds=seeds, jobs=jobs)
    rounds = math.ceil(plan.num_finalists * seeds / jobs)
    spent = rounds * costs.in_final(plan.final_steps)
    for rung in plan.rungs:
        spent += rung.num_runs * costs.of(rung.num_steps) / jobs
    assert spent <= 0.9 * budget
    lengths = [*(rung.num_steps for rung in plan.rungs), plan.final_steps]
    assert all(GROWTH * a <= b < GROWTH * (a + 1) for a, b in pairwise(lengths))
    assert plan.rungs[0].num_steps >= MIN_STEPS
    assert plan.rungs[0].num_runs >= MIN_POLICIES
    assert plan.rungs[-1].num_runs >= MIN_PROMOTED
    assert [rung.until for rung in plan.rungs] == sorted(rung.until for rung in plan.rungs)
    assert plan.rungs[-1].until <= 0.45 * budget + 1e-6


def test_no_run_is_longer_than_what_the_policy_is_meant_for() -> None:
    free = planned_time(COSTS[1], 36_000.0, num_seeds=5, jobs=1)
    bound = planned_time(COSTS[1], 36_000.0, num_seeds=5, jobs=1, max_steps=900)
    assert free.final_steps > bound.final_steps == 900
    assert bound.rungs[0].num_runs > free.rungs[0].num_runs
    used = 15 * COSTS[1].in_final(900) + sum(
        rung.num_runs * COSTS[1].of(rung.num_steps) for rung in bound.rungs
    )
    assert 0.88 * 36_000 < used <= 0.9 * 36_000, "what the final cannot use is the rungs'"
    assert bound.rungs[-1].until == pytest.approx(0.9 * 36_000 - 15 * COSTS[1].in_final(900))
    with pytest.raises(UserError, match=r"max_steps=100. Expected at least 150"):
        planned_time(COSTS[1], 36_000.0, num_seeds=5, jobs=1, max_steps=100)


def test_a_budget_that_is_too_small_is_one_line_with_the_least() -> None:
    with pytest.raises(UserError) as error:
        planned_time(COSTS[2], 60.0, num_seeds=5, jobs=2)
    assert str(error.value) == (
        "budget too small: budget=0:01:00 (hours:minutes:seconds). A run of 50 steps takes 15 s "
        "here; expected at least 0.11 hours with 5 seeds and --jobs 2."
    )


@all_cases(("kind", "name", "value"), [
    ("costs", "step_seconds", 0.0), ("costs", "step_seconds", -0.1),
    ("costs", "other_seconds", -1.0), ("costs", "final_seconds", -1.0),
    ("rung", "num_steps", 0), ("rung", "num_runs", -2),
    ("plan", "num_finalists", 1), ("plan", "final_steps", 0), ("plan", "rungs", ()),
])  # fmt: skip
def test_a_plan_that_was_damaged_is_refused_by_its_values(
    kind: str, name: str, value: object
) -> None:
    """Seconds of 0 would be divided by, and of no rung there is a last one."""
    plan = planned_time(COSTS[1], 3600.0, num_seeds=2, jobs=1)
    changed: dict[str, RunCosts | Rung | TimePlan] = {
        "costs": plan.costs, "rung": plan.rungs[0], "plan": plan,
    }  # fmt: skip
    with pytest.raises(ValueError, match=rf"{name}|{name}: 0"):
        dataclasses.replace(changed[kind], **{name: value})
