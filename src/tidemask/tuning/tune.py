"""The policy for a corpus, a model and a budget: searched, and named with its evidence."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.locks import only_process
from tidemask.files.paths import given_path
from tidemask.processes import available_cores
from tidemask.progress.display import ProgressDisplay, displayed
from tidemask.runs.overrides import Overrides
from tidemask.studies.engine_choice import chosen_engine
from tidemask.system_errors import named_causes
from tidemask.training.signals import StopRequest
from tidemask.tuning.answer import TunedPolicy, answered
from tidemask.tuning.asked import AskedSearch, asked_search
from tidemask.tuning.clock import SpentClock, TimedRequest
from tidemask.tuning.definition import (
    TuneDirectory,
    check_place,
    read_plan,
    write_definition,
    write_plan,
)
from tidemask.tuning.measured_costs import measured_costs
from tidemask.tuning.place import own_place
from tidemask.tuning.policy_runs import PolicyRuns
from tidemask.tuning.search import PolicySearch, open_search
from tidemask.tuning.search_display import SearchDisplay
from tidemask.tuning.storage import check_optuna
from tidemask.tuning.successive_halving import SuccessiveHalving
from tidemask.tuning.time_plan import TimePlan, planned_time


@named_causes("Run fewer at once (--jobs).")
def tune(
    corpus: str | Path,
    *,
    out: str | Path,
    budget: float,
    recipe: str | Path = "bert",
    overrides: Overrides = (),
    seeds: int = 3,
    jobs: int = 1,
    engine: str = "local",
    storage: str | None = None,
    progress: bool | ProgressDisplay = True,
    stop_request: StopRequest | None = None,
) -> TunedPolicy:
    """Search for the masking policy of a corpus, a model and a budget, and write it as a recipe.

    The same as `tidemask tune CORPUS --budget HOURS --out DIR`; the same call again goes on where
    it was interrupted. It needs Optuna: `pip install 'tidemask[tune]'`.

    Args:
        corpus: directory made by `prepare`, with held-out text.
        out: directory of the search, made or continued.
        budget: hours of work that it may take, all calls together; it ends within them.
        recipe: name of a shipped recipe or path of a YAML file, whose settings hold beside the
            ratio, the unit and the weighting, which are searched.
        overrides: settings over those of the recipe. With `training.max_steps` no run is longer.
        seeds: of each finalist.
        jobs: runs at once; on a CPU its threads are divided among them.
        engine: where runs are trained: "local", on this machine, "ray", by a Ray that is started
            on it, or "ray:ADDRESS", on the machines of a cluster.
        storage: URL of a database that several calls share; `None` keeps the record in `out`.
        progress: whether to show progress in a terminal or notebook; or where to show it.
        stop_request: when to stop; signals are received in this call if left out.

    Raises:
        Interrupted: it was asked to stop, and every run has saved its state.
        UserError: the corpus, the recipe or a setting is wrong; the budget is too small; `out`
            holds something else; Optuna is not installed, or its storage does not answer.

    Example:
        >>> import tidemask
        >>> tidemask.tune("corpus", out="tuned", budget=0.0)
        Traceback (most recent call last):
        tidemask.errors.UserError: budget outside its range: budget=0. Expected hours above 0 ...
    """
    asked = asked_search(corpus, budget, recipe, overrides, seeds, jobs, storage)
    directory = TuneDirectory(given_path(out, "out"))
    asked = replace(asked, definition=check_place(directory, asked.definition))
    check_optuna()
    request = stop_request or StopRequest()
    held = f"search is going on: another process works on {directory.root}. Wait for it."
    with (
        request.listening() if stop_request is None else nullcontext(),
        displayed(progress) as display,
        chosen_engine(engine, asked.jobs) as workers,
        request.deferred(),
        only_process(directory.lock, what="search", held=held),
    ):
        clock = SpentClock(directory.time)
        timed = TimedRequest(request, lambda: clock.spent >= asked.end)
        runs = PolicyRuns(
            definition=asked.definition,
            engine=workers,
            jobs=asked.jobs,
            display=SearchDisplay(display, clock, asked.seconds),
            stop_request=timed,
        )
        with (
            clock.noted(),
            open_search(
                directory.journal,
                asked.storage,
                name=asked.definition.name,
                contents=asked.contents,
                place=own_place(directory),
            ) as search,
        ):
            plan = _time_plan(directory, search, asked, timed, workers.threads)
            for note in asked.notes:
                display.on_note(note)
            if plan.budget != asked.seconds:
                display.on_note(
                    f"The lengths of runs are those of a budget of {plan.budget / 3600:g} h; name "
                    "a new directory as --out for others."
                )
            halving = SuccessiveHalving(
                directory=directory,
                search=search,
                plan=plan,
                runs=runs,
                clock=clock,
                end=asked.end,
                num_seeds=asked.seeds,
            )
            halving.rungs()
            final = halving.final()
            return answered(
                directory,
                asked.definition,
                asked.base,
                final,
                num_policies=search.num_policies(len(plan.rungs)),
                spent_seconds=clock.spent,
            )


@named_causes("Run fewer at once (--jobs).")
def plan_tune(
    corpus: str | Path,
    *,
    budget: float,
    recipe: str | Path = "bert",
    overrides: Overrides = (),
    seeds: int = 3,
    jobs: int = 1,
) -> tuple[TimePlan, tuple[str, ...]]:
    """How a search would divide its budget: nothing is written, and one short run is trained.

    Args:
        corpus: as `tune` takes it, and so are the others.
        budget: hours.
        recipe: whose settings hold beside those that are searched.
        overrides: settings over those of the recipe.
        seeds: of each finalist.
        jobs: runs at once.

    Returns:
        The division, and what a user should know of the search, one sentence each.

    Raises:
        UserError: as `tune`.
    """
    asked = asked_search(corpus, budget, recipe, overrides, seeds, jobs, None)
    costs = measured_costs(
        asked.base,
        asked.definition,
        threads=max(1, available_cores() // asked.jobs),
        is_stopping=lambda: False,
    )
    assert costs is not None, "it was not asked to stop"
    plan = planned_time(
        costs, asked.seconds, num_seeds=asked.seeds, jobs=asked.jobs, max_steps=asked.max_steps
    )
    return plan, asked.notes


def _time_plan(
    directory: TuneDirectory,
    search: PolicySearch,
    asked: AskedSearch,
    request: TimedRequest,
    threads: int,
) -> TimePlan:
    """The division of the time that the search was begun with, here or elsewhere; or a new one.

    It is kept here, too, so that a record that was lost, or is of another search, is known by it.

    Raises:
        Interrupted: it was asked to stop.
        UserError: the budget is too small, the file of the plan is damaged, or the record does not
            have that plan.
    """
    kept, plan = read_plan(directory), search.plan
    if kept is not None and kept != plan:
        what = "lost" if plan is None else "of another search"
        raise UserError(
            f"record of the search is {what}: {directory.plan} has a time plan that "
            f"{asked.definition.storage or directory.journal} does not have. Restore it, or name a "
            "new directory as --out; what is in this one stays as it is."
        )
    if plan is None:
        measured = _measured_plan(asked, request, threads)
        if search.plan is None:  # another command may have been quicker
            search.begin(measured)
        plan = search.plan
        assert plan is not None, "it has begun"
    write_definition(directory, asked.definition)  # not before: a search that was refused is none
    write_plan(directory, plan)
    return plan


def _measured_plan(asked: AskedSearch, request: TimedRequest, threads: int) -> TimePlan:
    costs = measured_costs(
        asked.base,
        asked.definition,
        threads=threads,
        is_stopping=lambda: request.received is not None,
    )
    request.raise_if_asked()
    if costs is None:
        shown_seconds = f"{asked.seconds:,.0f}" if asked.seconds >= 1 else f"{asked.seconds:.2g}"
        raise UserError(
            f"budget too small: {shown_seconds} s were over before a short run was measured. "
            "Give it more (--budget)."
        )
    return planned_time(
        costs, asked.seconds, num_seeds=asked.seeds, jobs=asked.jobs, max_steps=asked.max_steps
    )
