"""How a budget of time is divided: how long the runs of each rung are, and how many fit.

Every rung trains whole runs whose schedules are compressed into its number of steps; the best third
of a rung is trained again, from the start and three times as long, in the next. After the last rung
comes the final, again three times as long, with several seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

from tidemask.errors import UserError
from tidemask.progress.line import duration
from tidemask.tuning.policies import known_policies

MIN_STEPS = 50
"""Shortest run of a search: of fewer steps most are the warm-up of the learning rate."""
MIN_POLICIES = len(known_policies(["class_loss"]))
"""Least number of policies that the first rung has time for: the known ones."""
MIN_PROMOTED = 4
"""Least number of policies that go on: the two best constants and the two best others."""
FINALISTS = 3
"""Policies of the final: the best constant and the two best others that differ."""
MIN_FINALISTS = 2
"""The same in a small budget."""
GROWTH = 3
"""Runs of a rung are so many times as long as those before, and the best one in so many goes on."""

_MARGIN = 0.1
"""Share of the budget that is planned for nothing: the page, and a machine that becomes slower."""
_FINAL_SHARE = 0.5
"""Share of the rest that the final has."""
_MAX_RUNGS = 3


@dataclass(frozen=True, kw_only=True)
class RunCosts:
    """What a run takes here, measured.

    Attributes:
        step_seconds: of one step.
        other_seconds: of all else of a run in a rung: its start, held-out text, saving the model.
        final_seconds: the same of a run in the final, where more is measured.
    """

    step_seconds: float
    other_seconds: float
    final_seconds: float

    def __post_init__(self) -> None:
        if not self.step_seconds > 0 or min(self.other_seconds, self.final_seconds) < 0:
            raise ValueError(f"{self}. Expected seconds above 0 for a step, and none below 0")

    def of(self, num_steps: int) -> float:
        """Seconds of a run of so many steps in a rung."""
        return self.other_seconds + num_steps * self.step_seconds

    def in_final(self, num_steps: int) -> float:
        """Seconds of a run of so many steps in the final."""
        return self.final_seconds + num_steps * self.step_seconds


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Runs of one length.

    Attributes:
        num_steps: of each run.
        num_runs: how many fit.
        until: seconds of the budget after which the rung begins no further run.
    """

    num_steps: int
    num_runs: int
    until: float

    def __post_init__(self) -> None:
        if min(self.num_steps, self.num_runs) < 1:
            raise ValueError(f"{self}. Expected steps and runs of at least 1")


@dataclass(frozen=True, kw_only=True)
class TimePlan:
    """The rungs of a search, and its final.

    Attributes:
        budget: seconds that were divided.
        costs: of a run, by which it was made.
        rungs: the shortest first; each run has one seed.
        num_finalists: policies of the final, the best constant among them.
        final_steps: length of the runs of the final.
    """

    budget: float
    costs: RunCosts
    rungs: tuple[Rung, ...]
    num_finalists: int
    final_steps: int

    def __post_init__(self) -> None:
        if not self.rungs or self.num_finalists < MIN_FINALISTS or self.final_steps < 1:
            raise ValueError(
                f"rungs: {len(self.rungs)}, num_finalists={self.num_finalists}, "
                f"final_steps={self.final_steps}. Expected a rung, {MIN_FINALISTS} finalists, and "
                "steps of at least 1"
            )


def planned_time(
    costs: RunCosts, budget: float, *, num_seeds: int, jobs: int, max_steps: int | None = None
) -> TimePlan:
    """The division of a budget that tries the most policies, in runs that are long enough.

    The final has half of what is left after a margin of a tenth, or less where its runs can be no
    longer, and the rungs have the rest. From the final's length follows that of the last rung, a
    third of it, and so on. Of one rung or several, that number is taken with which the first rung
    tries the most policies.

    Args:
        costs: of a run.
        budget: seconds.
        num_seeds: of each finalist.
        jobs: runs at once.
        max_steps: no run is longer; the length for which the policy is meant, if that is known.

    Raises:
        UserError: the budget is too small; the least that would do is named.

    Example:
        >>> costs = RunCosts(step_seconds=0.1, other_seconds=10.0, final_seconds=20.0)
        >>> plan = planned_time(costs, 3600.0, num_seeds=5, jobs=1)
        >>> plan.final_steps, [(rung.num_steps, rung.num_runs) for rung in plan.rungs]
        (880, [(97, 49), (293, 16)])
    """
    for num_finalists in (FINALISTS, MIN_FINALISTS):
        if plans := _plans(costs, budget, num_finalists, num_seeds, jobs, max_steps):
            return max(plans, key=lambda plan: plan.rungs[0].num_runs)
    raise UserError(
        f"budget too small: budget={duration(budget)} (hours:minutes:seconds). A run of "
        f"{MIN_STEPS} steps takes {costs.of(MIN_STEPS):.0f} s here; expected at least "
        f"{_in_hours(_min_budget(costs, num_seeds, jobs, max_steps))} hours with {num_seeds} seeds "
        f"and --jobs {jobs}."
    )


def _plans(
    costs: RunCosts,
    budget: float,
    num_finalists: int,
    num_seeds: int,
    jobs: int,
    max_steps: int | None,
) -> list[TimePlan]:
    """The possible divisions, of one rung and of more.

    Of so many policies a third is trained in the second rung, and a ninth in the third: what they
    all cost gives their number.
    """
    usable = (1 - _MARGIN) * budget
    rounds = math.ceil(num_finalists * num_seeds / jobs)
    for_final = _FINAL_SHARE * usable
    final_steps = math.floor((for_final / rounds - costs.final_seconds) / costs.step_seconds)
    if max_steps is not None and final_steps > max_steps:
        final_steps, for_final = max_steps, rounds * costs.in_final(max_steps)
    found = []
    for num_rungs in range(1, _MAX_RUNGS + 1):
        steps = [final_steps // GROWTH**above for above in range(num_rungs, 0, -1)]
        if steps[0] < MIN_STEPS:
            break
        costs_of_policy = [costs.of(length) / GROWTH**n for n, length in enumerate(steps)]
        policies = (usable - for_final) * jobs / sum(costs_of_policy)
        runs = [math.floor(policies / GROWTH**number) for number in range(num_rungs)]
        until = [policies * cost / jobs for cost in accumulate(costs_of_policy)]
        if runs[0] >= MIN_POLICIES and runs[-1] >= MIN_PROMOTED:
            rungs = tuple(
                Rung(num_steps=length, num_runs=number, until=seconds)
                for length, number, seconds in zip(steps, runs, until, strict=True)
            )
            found.append(
                TimePlan(
                    budget=budget,
                    costs=costs,
                    rungs=rungs,
                    num_finalists=num_finalists,
                    final_steps=final_steps,
                )
            )
    return found


def _min_budget(costs: RunCosts, num_seeds: int, jobs: int, max_steps: int | None) -> float:
    """Seconds of the smallest budget that can be divided."""
    if max_steps is not None and max_steps < GROWTH * MIN_STEPS:
        raise UserError(
            f"runs too short to be searched: training.max_steps={max_steps}. Expected at least "
            f"{GROWTH * MIN_STEPS}, or none, which leaves the length to the budget."
        )

    def are_there(budget: float) -> bool:
        return bool(_plans(costs, budget, MIN_FINALISTS, num_seeds, jobs, max_steps))

    low, high = 0.0, costs.in_final(GROWTH * MIN_STEPS)
    while not are_there(high):
        low, high = high, 2 * high
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        is_enough = are_there(middle)
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def _in_hours(seconds: float) -> str:
    """Hours, rounded up to two significant digits."""
    hours = seconds / 3600
    unit = 10.0 ** (math.floor(math.log10(hours)) - 1)
    return f"{math.ceil(hours / unit) * unit:.2g}"
