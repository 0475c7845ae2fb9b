"""`tidemask evaluate` at the command line: its arguments, what it shows, its exit status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from tidemask.cli.terminal import print_error, print_note, progress_display
from tidemask.errors import UserError
from tidemask.files.paths import given_path


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
        str | None,
        typer.Option(
            "--tasks-from",
            metavar="PATH",
            help="Directory with one directory for each task, such as cola/train.jsonl; the hub "
            "if left out.",
        ),
    ] = None,
    task_data: Annotated[
        list[str] | None,
        typer.Option("--task-data", metavar="TASK=PATH", help="Directory or file of one task."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="PATH",
            help="Prepared corpus with the held-out text; that of the run if left out. A model "
            "directory needs it for held-out.",
        ),
    ] = None,
    checkpoints: Annotated[
        str,
        typer.Option(
            "--checkpoints",
            help="last, all, or some by their steps, such as 500,1000,final; start is the model "
            "from which further pre-training began.",
        ),
    ] = "last",
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="Directory for the results of a model that is not a run; runs keep their own.",
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", min=0, help="Parallel processes; 0 is one per GPU, and one on a CPU."
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

    Results that exist are not measured again, so the same command continues after an interruption.

    The sections of the settings are fine_tuning, squad, scoring, minimal_pairs and
    pseudo_perplexity; the guide on evaluation lists them with their defaults.
    """
    from tidemask.cli.evaluation_tables import show_results
    from tidemask.evaluation.evaluate import evaluate

    runs_or_models, overrides = _separated(targets)
    with progress_display() as display:
        results = evaluate(
            runs_or_models,
            tasks=[task.strip() for task in tasks.split(",") if task.strip()],
            overrides=overrides,
            tasks_from=tasks_from,
            task_data=_places(task_data or []),
            data=data,
            checkpoints=checkpoints,
            out=out,
            jobs=jobs,
            with_random=random_row,
            progress=display,
        )
    show_results(results)
    notes = (
        f"{job.task}: {note}" for job in results for seed in job.results for note in seed.notes
    )
    for note in dict.fromkeys(notes):
        print_note(note)
    problems = [f"{job.task} not measured: {job.problem}" for job in results if job.problem]
    for problem in dict.fromkeys(problems):
        print_error(problem)
    if problems:
        raise typer.Exit(2)


def _separated(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Runs and models, and settings; what exists is never a setting."""
    with_equals = [text for text in arguments if "=" in text]
    settings = [text for text in with_equals if not given_path(text, "targets").exists()]
    return [text for text in arguments if text not in settings], settings


def _places(texts: Sequence[str]) -> dict[str, str]:
    """Where the data of each task is, from arguments of the form TASK=PATH."""
    places: dict[str, str] = {}
    for text in texts:
        task, equals, path = text.partition("=")
        if not (task and equals and path):
            raise UserError(f"unreadable place: --task-data={text}. Expected TASK=DIRECTORY.")
        if places.setdefault(task, path) != path:
            raise UserError(
                f"two places for one task: {task} is in {places[task]} and {path} by --task-data. "
                "Expected one. Name one."
            )
    return places
