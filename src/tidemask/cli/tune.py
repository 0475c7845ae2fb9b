"""`tidemask tune`: the masking policy for a corpus, a model and a budget of time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemask.cli.interrupts import ending_in_order, stopping_study_at_signals
from tidemask.cli.options import (
    CorpusArgument,
    EngineOption,
    JobsOption,
    OverridesArgument,
    RecipeOption,
)
from tidemask.cli.tables import print_table
from tidemask.cli.terminal import print_line, print_note, progress_display
from tidemask.errors import UserError, command_line
from tidemask.files.paths import given_path

if TYPE_CHECKING:
    from tidemask.tuning.time_plan import TimePlan


def tune_command(
    corpus: CorpusArgument,
    budget: Annotated[
        float,
        typer.Option(
            "--budget",
            metavar="HOURS",
            help="Hours that the search may take, all calls of the command together.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Directory, made or continued; CORPUS-policy here if left out.",
            show_default=False,
        ),
    ] = None,
    recipe: RecipeOption = "bert",
    seeds: Annotated[
        int, typer.Option("--seeds", help="Seeds with which each finalist is trained.")
    ] = 3,
    jobs: JobsOption = 1,
    engine: EngineOption = "local",
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="Database that several commands share; a file in DIR if left out.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Measure a short run, and show how the time is divided."),
    ] = False,
    settings: OverridesArgument = None,
) -> None:
    r"""Search for the masking policy of a corpus, a model and a budget, and write it as a recipe.

    The ratio's schedule, the unit and the weighting are searched in runs that are whole but short;
    the best go on to longer ones, and the last few are compared with the best constant ratio on
    several seeds. Give the same command again after an interruption. It needs Optuna:
    `pip install 'tidemask\[tune]'`.
    """
    from tidemask.tuning.tune import plan_tune, tune

    overrides = settings or []
    if dry_run and engine != "local":
        raise UserError(
            "a dry run measures this machine alone, and no worker of a cluster: --dry-run with "
            f"--engine {engine}. Leave one out."
        )
    if dry_run:
        with ending_in_order("Nothing was written; give the command again."):
            plan, notes = plan_tune(
                corpus, budget=budget, recipe=recipe, overrides=overrides, seeds=seeds, jobs=jobs
            )
            _show_plan(plan, notes, seeds=seeds, jobs=jobs)
        return
    with stopping_study_at_signals() as stop_request, progress_display() as display:
        found = tune(
            corpus,
            out=out if out is not None else _usual_place(corpus),
            budget=budget,
            recipe=recipe,
            overrides=overrides,
            seeds=seeds,
            jobs=jobs,
            engine=engine,
            storage=storage,
            progress=display,
            stop_request=stop_request,
        )
    print_line(found.sentence)
    for verdict in found.verdicts:
        print_line(verdict)
    if found.page is not None:
        print_line(f"Page: {found.page}")
    print_line(f"Recipe: {found.recipe}")
    train = command_line("pretrain", Path(corpus), "--recipe", found.recipe, "--out", "RUN")
    print_line(f"Train it: {train}")


def _usual_place(corpus: str) -> Path:
    """The directory of a search that is not named, in the present one."""
    return Path(f"{given_path(corpus, 'corpus').resolve().name}-policy")


def _show_plan(plan: TimePlan, notes: tuple[str, ...], *, seeds: int, jobs: int) -> None:
    """Print how the time is divided."""
    from tidemask.progress.line import duration

    costs = plan.costs
    parts = [
        (f"rung {number}", rung.num_runs, rung.num_steps, costs.of(rung.num_steps))
        for number, rung in enumerate(plan.rungs, start=1)
    ]
    of_final = costs.in_final(plan.final_steps)
    parts.append(("final", plan.num_finalists * seeds, plan.final_steps, of_final))
    rows = [
        [name, str(runs), f"{steps:,}", duration(seconds), duration(seconds * -(-runs // jobs))]
        for name, runs, steps, seconds in parts
    ]
    print_table(["part", "runs", "steps", "each", "time"], rows)
    print_line(
        f"A step takes {1000 * costs.step_seconds:.0f} ms here. All else of a run takes "
        f"{costs.other_seconds:.1f} s in a rung, and {costs.final_seconds:.1f} s in the final."
    )
    for note in notes:
        print_note(note)
