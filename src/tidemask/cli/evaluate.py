"""`tidemask evaluate` at the command line: its arguments, what it shows, its exit status."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemask.cli.interrupts import interruptible, stopping_at_sigterm
from tidemask.cli.terminal import Reporter, print_error, reporting, stderr
from tidemask.errors import UserError

if TYPE_CHECKING:
    from tidemask.evaluation.jobs import Outcome, Watcher

_STAGE = "evaluation"


def evaluate_command(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_OR_MODEL... [section.field=value...]",
            help="Runs, model directories or names of models on the hub; then settings, such as "
            "fine_tuning.epochs=10 fine_tuning.num_seeds=5.",
        ),
    ],
    tasks: Annotated[
        str,
        typer.Option(
            "--tasks",
            help="Comma-separated: held-out, pseudo-perplexity, blimp, pairs, glue or one of its "
            "tasks (cola, sst2, ...), xnli_en, squad, squad_v2, conll2003, pos, YAML files of your "
            "own; all for those whose data is found.",
        ),
    ] = "held-out",
    tasks_from: Annotated[
        Path | None,
        typer.Option(
            "--tasks-from",
            help="Directory with one for each task, such as cola/train.jsonl; the hub if left out.",
        ),
    ] = None,
    task_data: Annotated[
        list[str] | None,
        typer.Option("--task-data", metavar="TASK=PATH", help="Where one task's data lies."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Prepared corpus with the held-out text; that of the run if left out. A model "
            "directory needs it for held-out.",
        ),
    ] = None,
    checkpoints: Annotated[
        str,
        typer.Option(
            "--checkpoints",
            help="last, all, or some: 500,1000,final. Steps, start and final.",
        ),
    ] = "last",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Keeps the results of a model that is no run; runs keep their own."
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", min=0, help="Processes side by side; 0 is one per GPU, one on a CPU."
        ),
    ] = 0,
    random_row: Annotated[
        bool,
        typer.Option(
            "--random/--no-random",
            help="Measure the same architecture with random weights beside the trained ones.",
        ),
    ] = True,
) -> None:
    """Measure checkpoints of runs, or any masked language models, on tasks.

    What is there already is not done again: the same command goes on after an interruption. The
    settings are those of fine_tuning, squad, scoring, minimal_pairs and pseudo_perplexity; the
    guide on evaluation lists them with their defaults.
    """
    _evaluate_and_show(
        targets,
        tasks=tasks,
        tasks_from=tasks_from,
        task_data=task_data or [],
        corpus=data,
        checkpoints=checkpoints,
        out=out,
        jobs=jobs,
        with_random=random_row,
    )


def _evaluate_and_show(
    arguments: Sequence[str],
    *,
    tasks: str,
    tasks_from: Path | None,
    task_data: Sequence[str],
    corpus: Path | None,
    checkpoints: str,
    out: Path | None,
    jobs: int,
    with_random: bool,
) -> None:
    """Measure, show the scores, and exit with status 2 if a task failed."""
    from tidemask.cli.evaluation_tables import show_outcomes
    from tidemask.evaluation.evaluate import Request, evaluate
    from tidemask.tasks.table import Places

    targets, settings = _told_apart(arguments)
    if tasks_from is not None and not tasks_from.is_dir():
        raise UserError(f"no such directory: --tasks-from={tasks_from}.")
    request = Request(
        targets=targets,
        tasks=_listed(tasks),
        settings=settings,
        places=Places(root=tasks_from, named=_named(task_data)),
        corpus=corpus,
        checkpoints=checkpoints,
        out=out,
        jobs=jobs,
        with_random=with_random,
    )
    command = shlex.join(["tidemask", "evaluate", *arguments, "--tasks", tasks])
    kept = "What was measured is kept; give the command again to go on."
    with reporting() as reporter, interruptible(f"{command} ..."), stopping_at_sigterm(kept):
        outcomes = evaluate(request, _watcher(reporter))
    show_outcomes(outcomes)
    _say_notes(outcomes)
    problems = list(dict.fromkeys(_problems(outcomes)))
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(2)


def _watcher(reporter: Reporter) -> Watcher:
    from tidemask.evaluation.jobs import Watcher

    last = [0, 1]

    def on_progress(done: int, total: int) -> None:
        last[:] = done, total
        reporter.on_progress(_STAGE, done, total)

    def on_doing(text: str) -> None:
        reporter.note(_STAGE, {"doing": text})
        if last[0] < last[1]:
            reporter.on_progress(_STAGE, *last)

    def on_problem(line: str) -> None:
        stderr.print(line, markup=False, soft_wrap=True)

    return Watcher(on_progress=on_progress, on_doing=on_doing, on_problem=on_problem)


def _told_apart(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Runs and models, and settings; what exists is never a setting."""
    settings = [one for one in arguments if "=" in one and not Path(one).exists()]
    targets = [one for one in arguments if one not in settings]
    if not targets:
        raise UserError("nothing to evaluate: no run and no model was named. Name some.")
    repeated = sorted({one for one in targets if targets.count(one) > 1})
    if repeated:
        raise UserError(f"named twice: {', '.join(repeated)}. Name each run once.")
    return targets, settings


def _named(task_data: Iterable[str]) -> dict[str, Path]:
    import difflib

    from tidemask.tasks.table import TASKS

    named = {}
    for text in task_data:
        task, equals, path = text.partition("=")
        if not (task and equals and path):
            raise UserError(f"unreadable place: --task-data={text}. Expected TASK=DIRECTORY.")
        if task not in TASKS:
            near = difflib.get_close_matches(task, TASKS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UserError(
                f"no such task: --task-data={text}.{hint} Known are {', '.join(TASKS)}."
            )
        named[task] = Path(path).expanduser()
    return named


def _listed(tasks: str) -> list[str]:
    return [task.strip() for task in tasks.split(",") if task.strip()]


def _problems(outcomes: Iterable[Outcome]) -> Iterable[str]:
    return (f"{one.task} not measured: {one.problem}" for one in outcomes if one.problem)


def _say_notes(outcomes: Iterable[Outcome]) -> None:
    """Each note once, with the task that it belongs to."""
    notes = (
        f"{one.task}: {note}" for one in outcomes for result in one.results for note in result.notes
    )
    for note in dict.fromkeys(notes):
        stderr.print(note, soft_wrap=True)
