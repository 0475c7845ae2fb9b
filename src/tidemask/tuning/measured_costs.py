"""What a run of a search takes here, measured by a short one of each kind."""

from __future__ import annotations

from collections.abc import Callable

from tidemask.runs.config import Recipe, load_recipe
from tidemask.studies.short_runs import MEASURED_STEPS, seconds_of_step, short_run
from tidemask.tuning.definition import TuneDefinition
from tidemask.tuning.policies import Policy
from tidemask.tuning.policy_runs import settings_in_final, settings_in_rung
from tidemask.tuning.time_plan import RunCosts

_USUAL = Policy(schedule="constant", start=30, end=30, unit="word")
"""What is measured: a policy that predicts as much as those of a search do in the mean."""


def measured_costs(
    base: Recipe, definition: TuneDefinition, *, threads: int, is_stopping: Callable[[], bool]
) -> RunCosts | None:
    """What a run takes: of one step, and of all else; `None` where it was asked to stop.

    Args:
        base: whose other settings hold.
        definition: of the search, whose settings hold as in its runs.
        threads: of the arithmetic of a run on a CPU.
        is_stopping: whether it is to be given up.

    Raises:
        UserError: a run cannot be trained.
    """
    recipe = load_recipe(base, _USUAL.overrides)
    steps, others = [], []
    for settings in (settings_in_rung, settings_in_final):
        under = settings(MEASURED_STEPS, is_split=definition.is_split)
        with short_run(
            definition.corpus,
            recipe,
            [*under, *definition.settings],
            threads=threads,
            is_stopping=is_stopping,
        ) as (run, seconds):
            if is_stopping():
                return None
            steps.append(seconds_of_step(run))
            others.append(max(0.0, seconds - MEASURED_STEPS * steps[-1]))
    in_rung, in_final = others
    return RunCosts(
        step_seconds=sum(steps) / len(steps),
        other_seconds=in_rung,
        final_seconds=max(in_rung, in_final),
    )
