"""Evaluation: tasks on the models of runs, one after the other or side by side on several devices.

The unit of work is a task on one model. What is there already is not done again, a task that fails
does not lose the others, and what is finished stays when the command is interrupted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from tidemask.errors import UserError
from tidemask.evaluation.held_out_tasks import CORPUS_TASKS, HeldOutText
from tidemask.evaluation.jobs import Outcome, Unit, Watcher, in_turn, problem_of
from tidemask.evaluation.parallel import side_by_side
from tidemask.evaluation.targets import Target, default_device, target_of
from tidemask.modeling import ModelSettings
from tidemask.processes import keep_freed_memory
from tidemask.run_record import HELD_OUT_TASK, RANDOM, RunDirectory
from tidemask.runs.config import load_settings, read_settings
from tidemask.tasks.held_out.evaluator import HeldOutSettings
from tidemask.tasks.table import (
    TASKS,
    USER_TASKS,
    Places,
    TaskSettings,
    expanded,
    is_file,
    user_task,
)
from tidemask.tasks.task import Task

_NOT_OF_RANDOM = (HELD_OUT_TASK,)
"""Tasks whose result for random weights says nothing: the logarithm of the vocabulary's size."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be measured.

    Attributes:
        targets: runs, model directories, names on the hub.
        tasks: names of tasks and groups, YAML files.
        settings: `section.field=value` for the tasks.
        places: where their data lies.
        corpus: prepared corpus that is read in place of that of the run; a model needs it.
        checkpoints: `last`, `all`, or names separated by commas.
        out: where results of models are kept that are no runs.
        jobs: processes; 0 is one per GPU, or one.
        with_random: whether random weights are measured beside the trained ones.
    """

    targets: Sequence[str]
    tasks: Sequence[str]
    settings: Sequence[str] = ()
    places: Places = field(default_factory=Places)
    corpus: Path | None = None
    checkpoints: str = "last"
    out: Path | None = None
    jobs: int = 0
    with_random: bool = True


def evaluate(request: Request, watcher: Watcher | None = None) -> list[Outcome]:
    """Measure every chosen model on every task.

    Args:
        request: what is to be measured.
        watcher: told how it goes.

    Returns:
        One outcome per target, task and model, failed ones among them.

    Raises:
        UserError: there is no such target, checkpoint or task, or a setting is wrong; nothing was
            measured then.
    """
    watcher = watcher or Watcher()
    if not torch.cuda.is_available():
        keep_freed_memory()
    settings = load_settings(TaskSettings, request.settings, "the settings of the tasks")
    names = expanded(request.tasks, request.places, list(CORPUS_TASKS))
    shared = _tasks(names, settings, request.places)
    outs = _places_of_results(request)
    targets = [
        target_of(
            name,
            checkpoints=request.checkpoints,
            out=outs.get(name),
            with_random=request.with_random,
            device=default_device(),
        )
        for name in request.targets
    ]
    tasks = [shared.get(name) or name for name in names]
    units = [unit for target in targets for unit in _units(target, request, settings, tasks)]
    if not units:
        raise UserError("nothing to measure: no task has data. Name tasks, or their data.")
    problems = _problems(shared.values(), watcher)
    units = [replace(unit, problem=problems.get(unit.task.name, "")) for unit in units]
    jobs = min(request.jobs or max(1, torch.cuda.device_count()), len(units))
    if jobs > 1:
        return side_by_side(units, jobs, watcher)
    return list(in_turn(units, watcher))


def _problems(tasks: Iterable[Task], watcher: Watcher) -> dict[str, str]:
    """What is wrong with the data of tasks, by name; told now, not after hours of other work."""
    found: dict[str, str] = {}
    for task in tasks:
        watcher.on_doing(f"{task.name}: looking at its data")
        if problem := problem_of(task):
            found[task.name] = problem
            watcher.on_problem(f"{task.name} will not be measured: {problem}")
    return found


def _units(
    target: Target, request: Request, settings: TaskSettings, tasks: Sequence[Task | str]
) -> Iterator[Unit]:
    """The work on a target, tasks first, so that models share what is made of a task's data."""
    for task_or_name in tasks:
        record = target.record
        task = task_or_name
        if isinstance(task, str):
            if target.config is None and request.corpus is None and task not in request.tasks:
                continue  # `all` means what can be measured
            task = _corpus_task(task, target, request.corpus, settings)
            if request.corpus is not None and target.config is not None:
                record = None  # the run's own result stays
        for checkpoint, model_under_test in target.models:
            if checkpoint != RANDOM or task.name not in _NOT_OF_RANDOM:
                yield Unit(
                    target=target.name,
                    record=record,
                    checkpoint=checkpoint,
                    model_under_test=model_under_test,
                    task=task,
                )


def _tasks(names: Sequence[str], settings: TaskSettings, places: Places) -> dict[str, Task]:
    """The tasks that need no corpus, by what the request calls them.

    Raises:
        UserError: a file of one's own task is wrong, or two tasks have one name.
    """
    made: dict[str, Task] = {}
    origins: dict[str, str] = {}
    for name in names:
        if name in CORPUS_TASKS:
            continue
        task = _task(name, settings, places)
        reserved = is_file(name) and (task.name in TASKS or task.name in CORPUS_TASKS)
        if reserved or task.name in origins:
            raise UserError(
                f"name of another task: {name} calls its task {task.name}, as "
                f"{origins.get(task.name, 'tidemask')} does. Give it a name of its own."
            )
        made[name], origins[task.name] = task, name
    return made


def _task(name: str, settings: TaskSettings, places: Places) -> Task:
    if not is_file(name):
        return TASKS[name](name, settings, places)
    path = Path(name)
    shared = {"fine_tuning": dataclasses.asdict(settings.fine_tuning)}
    return user_task(read_settings(USER_TASKS, path, shared), path.parent)


def _places_of_results(request: Request) -> dict[str, Path]:
    """Where results of models that are no runs are kept: in `out`, one directory each if several.

    Raises:
        UserError: two of them have the same last part of their names.
    """
    if request.out is None:
        return {}
    models = [
        name
        for name in request.targets
        if not RunDirectory(Path(name).expanduser()).config.is_file()
    ]
    if len(models) == 1:
        return {models[0]: request.out}
    places = {name: request.out / Path(name).name for name in models}
    if len(set(places.values())) < len(places):
        raise UserError(
            f"models of one name: {', '.join(models)}. Give a command for each, with its own --out."
        )
    return places


def _corpus_task(name: str, target: Target, corpus: Path | None, settings: TaskSettings) -> Task:
    config = target.config
    held_out = HeldOutSettings() if config is None else config.evaluation
    model = ModelSettings() if config is None else config.model
    if corpus is not None:
        text = HeldOutText(corpus=corpus, model=model)
    elif config is not None:
        own = config.corpus
        text = HeldOutText(corpus=Path(own.path), model=model, fingerprint=own.fingerprint)
    else:
        raise UserError(
            f"no text to evaluate on: {target.name} is a model, not a run. "
            "Name a prepared corpus with --data."
        )
    return CORPUS_TASKS[name](text, held_out, settings)
