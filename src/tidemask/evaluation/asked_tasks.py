"""The tasks that an evaluation asks for, of whatever model: their names, settings and data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemask.errors import UserError, did_you_mean
from tidemask.evaluation.held_out_tasks import CORPUS_TASKS
from tidemask.evaluation.jobs import data_problem
from tidemask.evaluation.planning import named_tasks
from tidemask.files.paths import PATHS, given_path, one_or_several
from tidemask.runs.overrides import Overrides
from tidemask.runs.settings_reading import load_settings
from tidemask.settings import shown
from tidemask.tasks.table import (
    ALIASES,
    GROUPS,
    TASKS,
    TaskDataLocations,
    TaskSettings,
    expanded,
)
from tidemask.tasks.task import TaskWithData


@dataclass(frozen=True)
class AskedTasks:
    """What is to be measured, of whatever model.

    Attributes:
        given: as the caller named it.
        names: of the tasks, with those of groups.
        settings: of the tasks.
        shared: the tasks that need no corpus, by name.
    """

    given: list[str]
    names: list[str]
    settings: TaskSettings
    shared: dict[str, TaskWithData]


def asked_tasks(
    tasks: str | Sequence[str],
    overrides: Overrides,
    tasks_from: str | Path | None,
    task_data: Mapping[str, str | Path] | None,
) -> AskedTasks:
    """The tasks that the arguments of `evaluate` ask for.

    Raises:
        UserError: there is no such task, a setting is wrong, or no such directory.
    """
    if isinstance(tasks, str):
        tasks = [task.strip() for task in tasks.split(",") if task.strip()]
    given = [str(task) for task in one_or_several(tasks, "tasks", PATHS, "names of tasks")]
    if not isinstance(task_data or {}, Mapping):
        raise UserError(f"no data of tasks: task_data={shown(task_data)}. Expected paths by task.")
    locations = TaskDataLocations(
        root=None if tasks_from is None else given_path(tasks_from, "tasks_from"),
        named={task: given_path(path, "task_data") for task, path in (task_data or {}).items()},
    )
    _check_locations(locations)
    settings = load_settings(TaskSettings, overrides, "the settings of the tasks")
    names = expanded(given, locations, list(CORPUS_TASKS))
    return AskedTasks(given, names, settings, named_tasks(names, settings, locations))


def check_tasks(
    tasks: Sequence[str],
    *,
    overrides: Overrides = (),
    tasks_from: str | Path | None = None,
    task_data: Mapping[str, str | Path] | None = None,
) -> list[str]:
    """The names of tasks, each of which can be measured once there is a model.

    Args:
        tasks: names of tasks and groups, or YAML files of one's own.
        overrides: settings of the tasks.
        tasks_from: directory with one directory for each task; `None` takes data from the hub.
        task_data: directories or files of single tasks, by their names.

    Raises:
        UserError: there is no such task, a setting is wrong, or data is missing or damaged.
    """
    asked = asked_tasks(tasks, overrides, tasks_from, task_data)
    for task in asked.shared.values():
        if problem := data_problem(task):
            raise UserError(f"task that cannot be measured: {task.name}: {problem}")
    return [asked.shared[name].name if name in asked.shared else name for name in asked.names]


def _check_locations(locations: TaskDataLocations) -> None:
    if locations.root is not None and not locations.root.is_dir():
        is_file = locations.root.exists()
        raise UserError(
            f"{'not a directory' if is_file else 'no such directory'}: tasks_from="
            f"{locations.root} (--tasks-from){' is a file' if is_file else ''}. Expected a "
            "directory with one directory for each task, such as cola. "
            + (
                "Name the file of one task as task_data (--task-data TASK=PATH)."
                if is_file
                else "Check the spelling."
            )
        )
    for task, path in locations.named.items():
        if task in TASKS:
            continue
        place = f"task_data (--task-data {task}={path})"
        if task in GROUPS:
            raise UserError(
                f"several tasks in one place: {task} in {place} are {', '.join(GROUPS[task])}. "
                "Name the directory that holds those of all tasks as tasks_from (--tasks-from)."
            )
        if task in CORPUS_TASKS:
            raise UserError(
                f"no data of its own: {task} in {place} reads a prepared corpus. Name one as data "
                "(--data)."
            )
        known = (*TASKS, *ALIASES)
        raise UserError(
            f"no such task: {task} in {place}.{did_you_mean(task, known)} Known are "
            f"{', '.join(known)}."
        )
