"""`tidemask evaluate` at the command line: its arguments, what it shows, its exit status."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tidemask.errors import UserError
from tidemask.terminal import Reporter, print_error, reporting, stderr
from tidemask.training_command import interruptible

if TYPE_CHECKING:
    from tidemask.evaluating import Outcome, Watcher

_STAGE = "evaluation"


def evaluate_and_show(
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
    from tidemask.evaluating import Request, evaluate
    from tidemask.evaluation.task_table import Places
    from tidemask.evaluation_text import show_outcomes

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
    with reporting() as reporter, interruptible(f"{command} ..."):
        outcomes = evaluate(request, _watcher(reporter))
    show_outcomes(outcomes)
    _say_notes(outcomes)
    problems = list(dict.fromkeys(_problems(outcomes)))
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(2)


def _watcher(reporter: Reporter) -> Watcher:
    from tidemask.evaluating import Watcher

    last = [0, 1]

    def on_progress(done: int, total: int) -> None:
        last[:] = done, total
        reporter.on_progress(_STAGE, done, total)

    def on_doing(text: str) -> None:
        reporter.note(_STAGE, {"doing": text})
        if last[0] < last[1]:
            reporter.on_progress(_STAGE, *last)

    return Watcher(on_progress=on_progress, on_doing=on_doing)


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
    named = {}
    for text in task_data:
        task, equals, path = text.partition("=")
        if not (task and equals and path):
            raise UserError(f"unreadable place: --task-data={text}. Expected TASK=DIRECTORY.")
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
