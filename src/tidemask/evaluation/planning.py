"""What an evaluation measures: its tasks, by name or file, and the jobs of each target."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidemask.errors import UserError
from tidemask.evaluation.held_out_tasks import CORPUS_TASKS, HeldOutText
from tidemask.evaluation.jobs import Job
from tidemask.evaluation.targets import Target
from tidemask.files.paths import given_path, named
from tidemask.modeling.settings import ModelSettings
from tidemask.run_record import HELD_OUT_TASK, RANDOM, RunDirectory
from tidemask.runs.settings_reading import read_settings
from tidemask.tasks.held_out.settings import HeldOutSettings
from tidemask.tasks.table import (
    TASKS,
    USER_TASKS,
    TaskDataLocations,
    TaskSettings,
    is_file,
    user_task,
)
from tidemask.tasks.task import Task, TaskWithData

_NOT_OF_RANDOM = (HELD_OUT_TASK,)
"""Tasks that random weights skip: their loss is about the logarithm of the vocabulary's size."""


def jobs_of(
    target: Target,
    tasks: Sequence[Task | str],
    corpus: Path | None,
    settings: TaskSettings,
    asked: Sequence[str],
) -> Iterator[Job]:
    """The jobs of a target, task by task, so that models share what is made of a task's data.

    A task on held-out text stands here as its name, for its text depends on the target.

    Args:
        target: whose models are measured.
        tasks: made, or the names of those on held-out text.
        corpus: whose text replaces that of a run; `None` replaces none.
        settings: of the tasks.
        asked: names as they were given, before groups became tasks.

    Raises:
        UserError: a model that is not a run is to be measured on the text of one.
    """
    for task_or_name in tasks:
        record, task = target.record, task_or_name
        if isinstance(task, str):
            if target.config is None and corpus is None and task not in asked:
                continue  # `all` means what can be measured
            task = _corpus_task(task, target, corpus, settings)
            if corpus is not None and target.config is not None:
                record = None  # the run's own result stays
        for checkpoint, model_under_test in target.models:
            if checkpoint != RANDOM or task.name not in _NOT_OF_RANDOM:
                yield Job(
                    target=target.name,
                    record=record,
                    checkpoint=checkpoint,
                    model_under_test=model_under_test,
                    task=task,
                )


def named_tasks(
    names: Sequence[str], settings: TaskSettings, locations: TaskDataLocations
) -> dict[str, TaskWithData]:
    """The tasks that need no corpus, by what the caller calls them.

    Raises:
        UserError: a file of one's own task is wrong, or two tasks have one name.
    """
    made: dict[str, TaskWithData] = {}
    origins: dict[str, str] = {}
    for name in names:
        if name in CORPUS_TASKS:
            continue
        task = _task(name, settings, locations)
        reserved = is_file(name) and (task.name in TASKS or task.name in CORPUS_TASKS)
        if reserved or task.name in origins:
            raise UserError(
                f"name of another task: {name} calls its task {task.name}, as "
                f"{origins.get(task.name, 'tidemask')} does. Give it a name of its own."
            )
        made[name], origins[task.name] = task, name
    return made


def _task(name: str, settings: TaskSettings, locations: TaskDataLocations) -> TaskWithData:
    if not is_file(name):
        return TASKS[name](name, settings, locations)
    path = given_path(name, "tasks")
    shared = {"fine_tuning": dataclasses.asdict(settings.fine_tuning)}
    return user_task(read_settings(USER_TASKS, path, shared), path.parent)


def output_directories(targets: Sequence[str], out: Path | None) -> dict[str, Path]:
    """Where results of models that are not runs are saved: in `out`, one directory each if several.

    Raises:
        UserError: two of them have the same last part of their names.
    """
    if out is None:
        return {}
    models = [
        name for name in targets if not RunDirectory(given_path(name, "target")).config.is_file()
    ]
    if len(models) == 1:
        return {models[0]: out}
    directories = {name: out / named(given_path(name, "target")).name for name in models}
    if len(set(directories.values())) < len(directories):
        raise UserError(
            f"models of one name: {', '.join(models)}. "
            "Measure them one at a time, each with a directory `out` (--out) of its own."
        )
    return directories


def _corpus_task(name: str, target: Target, corpus: Path | None, settings: TaskSettings) -> Task:
    config = target.config
    held_out = HeldOutSettings() if config is None else config.evaluation
    model = ModelSettings() if config is None else config.model
    if corpus is not None:
        text = HeldOutText(corpus=corpus, model=model)
    elif config is not None:
        own = given_path(config.corpus.path, "corpus.path")
        text = HeldOutText(corpus=own, model=model, run=target.record)
    else:
        raise UserError(
            f"no text to evaluate on: {target.name} is a model, not a run. "
            "Name a prepared corpus as `data` (--data)."
        )
    return CORPUS_TASKS[name](text, held_out, settings)
