"""`tidemask tune` with a plan of a few short runs, from processes that have imported a lot."""

from __future__ import annotations

import sys

from study_command import quick_studies
from tidemask.__main__ import main
from tidemask.tuning import tune
from tidemask.tuning.time_plan import RunCosts, Rung, TimePlan

PLAN = TimePlan(
    budget=3600.0,
    costs=RunCosts(step_seconds=0.01, other_seconds=0.1, final_seconds=0.1),
    rungs=(
        Rung(num_steps=2, num_runs=2, until=3000.0),
        Rung(num_steps=3, num_runs=1, until=3000.0),
    ),
    num_finalists=2,
    final_steps=4,
)
"""However loaded the machine is; at most twice as many runs are trained in each rung."""

if __name__ == "__main__":
    sys.argv[0] = "tidemask"
    tune.planned_time = lambda *_, **__: PLAN  # type: ignore[attr-defined]
    quick_studies()
    main()
