"""`tidemask study`: many runs that answer one question, and how far they are."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tidemask.cli.interrupts import ending_in_order, stopping_study_at_signals
from tidemask.cli.options import EngineOption, JobsOption
from tidemask.cli.tables import print_table
from tidemask.cli.terminal import print_error, print_line, print_note, progress_display

if TYPE_CHECKING:
    from tidemask.studies.directory import RunState
    from tidemask.studies.status import StudyForecast, StudyStatus

_HELP = ("-h", "--help")


class _RunsByDefault(TyperGroup):
    """Takes `tidemask study FILE ...` for `tidemask study run FILE ...`, but no `stauts DIR`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_named = not args or args[0] in (*self.commands, *_HELP)
        if not is_named and (
            Path(args[0]).exists() or not get_close_matches(args[0], self.commands)
        ):
            args = ["run", *args]
        return super().parse_args(ctx, args)


study_app = typer.Typer(
    cls=_RunsByDefault,
    help="Train several policies on several seeds, measure them, and say which is better.\n\n"
    "`tidemask study STUDY.yaml --out DIR` plans, runs, continues and refreshes: give the same "
    "command again after an interruption or an edit. `tidemask study run --help` has its options.",
    subcommand_metavar="STUDY.yaml --out DIR | COMMAND DIR",
    no_args_is_help=True,
)

_Directory = Annotated[str, typer.Argument(metavar="DIR", help="Directory of a study.")]


@study_app.command("run")
def run_command(
    file: Annotated[str, typer.Argument(metavar="STUDY.yaml", help="The definition of the study.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Directory, made or continued.")],
    jobs: JobsOption = 1,
    engine: EngineOption = "local",
    live: Annotated[
        float | None,
        typer.Option("--live", metavar="MINUTES", help="Write the page also while runs go on."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the runs, and how long they would take here."),
    ] = False,
) -> None:
    """Train and measure what is not finished; the word `run` may be left out."""
    from tidemask.studies.study import plan_study, run_study

    if dry_run:
        with ending_in_order("Nothing was written; give the command again."):
            _show_plan(plan_study(file, out=out, jobs=jobs))
        return
    with stopping_study_at_signals() as stop_request, progress_display() as display:
        status = run_study(
            file,
            out=out,
            jobs=jobs,
            engine=engine,
            live=live,
            progress=display,
            stop_request=stop_request,
        )
    show_status(status, with_notes=False)
    if not status.is_finished or status.page_problem:
        raise typer.Exit(2)


@study_app.command("status")
def status_command(directory: _Directory) -> None:
    """Show how far a study is: its arms, and the runs that need a look."""
    from tidemask.studies.study import study_status

    with ending_in_order("Nothing was changed."):
        show_status(study_status(directory))


@study_app.command("list")
def list_command(directory: _Directory) -> None:
    """Show every run of a study, in the order in which they are trained."""
    from tidemask.studies.study import study_status

    with ending_in_order("Nothing was changed."):
        status = study_status(directory)
    rows = [
        [one.run.name, one.state, f"{one.step:,}", f"{one.run.num_steps:,}", str(one.num_attempts)]
        for one in status.states
    ]
    print_table(["run", "state", "step", "of", "begun"], rows, text_columns=2)


@study_app.command("rm")
def rm_command(
    directory: _Directory,
    arms: Annotated[
        list[str] | None, typer.Argument(metavar="[ARM]...", help="Delete the runs of these alone.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete the runs of some arms, or the whole study."""
    from tidemask.studies.removal import remove_runs

    what = f"the runs of {', '.join(arms)} in {directory}" if arms else f"all of {directory}"
    if not yes:
        typer.confirm(f"Delete {what}?", abort=True)
    with ending_in_order("What was deleted is gone; give the command again for the rest."):
        for path in remove_runs(directory, arms or ()):
            print_line(f"Deleted: {path}")


def _by_arm(states: Sequence[RunState]) -> dict[str, list[RunState]]:
    arms: dict[str, list[RunState]] = {}
    for one in states:
        arms.setdefault(str(one.run.place.parent.relative_to("runs")), []).append(one)
    return arms


def show_status(status: StudyStatus, *, with_notes: bool = True) -> None:
    """Print a row for each arm, and a line for each run that needs a look.

    Args:
        status: of the study.
        with_notes: whether what a user should know of it was not printed before.
    """
    from tidemask.studies.directory import State

    shown = [state for state in State if any(one.state is state for one in status.states)]
    rows = [
        [arm, *(str(sum(one.state is state for one in states)) for state in shown)]
        for arm, states in _by_arm(status.states).items()
    ]
    print_table(["arm", *shown], rows)
    for note in status.notes if with_notes else ():
        print_note(note)
    for one in status.states:
        if one.state is State.FAILED:
            print_error(f"{one.run.name} failed: {one.message}")
        elif one.state is State.DEAD:
            print_error(f"{one.run.name} is dead: its process is gone. Give the command again.")
    for sentence in status.verdicts:
        print_line(sentence)
    if status.page is not None:
        print_line(f"Page: {status.page}")


def _show_plan(forecast: StudyForecast) -> None:
    """Print what a study will take, arm by arm."""
    from tidemask.progress.line import duration
    from tidemask.studies.directory import State

    status = forecast.status
    rows = []
    for arm, states in _by_arm(status.states).items():
        left = [one for one in states if one.state is not State.FINISHED]
        rows.append(
            [
                arm,
                f"{len(left)} of {len(states)}",
                f"{states[0].run.num_steps:,}",
                f"{1000 * forecast.step_of(states[0]).seconds:.0f}",
                duration(sum(map(forecast.seconds_of, states))),
            ]
        )
    print_table(["arm", "runs left", "steps", "ms a step", "training"], rows)
    print_line(
        f"Training what is left takes about {duration(forecast.seconds)} with --jobs "
        f"{forecast.jobs}, and the study {forecast.num_bytes / 1e6:,.0f} MB on the disk. "
        "Measuring comes to it."
    )
    for note in status.notes:
        print_note(note)
