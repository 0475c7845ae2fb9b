"""Evaluation: tasks on the models of runs, one after the other or side by side on several devices.

The unit of work is a task on one model. What is there already is not done again, a task that fails
does not lose the others, and what is finished stays when the command is interrupted.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

import torch

from tidemask.config import load_settings, read_settings
from tidemask.corpus_tasks import CORPUS_TASKS, HeldOutText
from tidemask.errors import UserError
from tidemask.evaluation.held_out import HeldOutSettings
from tidemask.evaluation.results import Result, Shelf
from tidemask.evaluation.running import results_of
from tidemask.evaluation.subject import Subject
from tidemask.evaluation.task import FineTunedTask, Task
from tidemask.evaluation.task_table import (
    TASKS,
    USER_TASKS,
    Places,
    TaskSettings,
    expanded,
    is_file,
    user_task,
)
from tidemask.measured_models import Target, default_device, target_of
from tidemask.measuring import HELD_OUT_TASK
from tidemask.modeling import ModelSettings
from tidemask.run_record import RANDOM, RunDirectory
from tidemask.training.freed_memory import keep_freed_memory

_NOT_OF_RANDOM = (HELD_OUT_TASK,)
"""Tasks whose result for random weights says nothing: the logarithm of the vocabulary's size."""

_PACKAGES = ("tidemask", "torch", "transformers", "tokenizers", "numpy", "scikit-learn", "scipy")


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


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out of one task on one model.

    Attributes:
        target: the run or model.
        checkpoint: which of its models.
        task: name of the task.
        main_metric: what stands for it.
        results: one per seed; those before a failure.
        problem: why it failed, one line; empty if it did not.
    """

    target: str
    checkpoint: str
    task: str
    main_metric: str
    results: tuple[Result, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class _Unit:
    target: str
    record: RunDirectory | None
    checkpoint: str
    subject: Subject
    task: Task

    @property
    def size(self) -> int:
        """Results that it gives."""
        return len(self.task.seeds) if isinstance(self.task, FineTunedTask) else 1

    def outcome(self, results: Sequence[Result], problem: str = "") -> Outcome:
        return Outcome(
            target=self.target,
            checkpoint=self.checkpoint,
            task=self.task.name,
            main_metric=self.task.main_metric,
            results=tuple(results),
            problem=problem,
        )


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """Who is told how an evaluation goes.

    Attributes:
        on_progress: results that are there, and how many there will be.
        on_doing: what is being done right now, in a few words.
    """

    on_progress: Callable[[int, int], None] = lambda done, total: None
    on_doing: Callable[[str], None] = lambda text: None


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
    shared = {
        name: _task(name, settings, request.places) for name in names if name not in CORPUS_TASKS
    }
    device = default_device()
    units: list[_Unit] = []
    for name in request.targets:
        target = target_of(
            name,
            checkpoints=request.checkpoints,
            out=request.out,
            with_random=request.with_random,
            device=device,
        )
        units += _units(target, request, settings, [shared.get(task) or task for task in names])
    jobs = min(request.jobs or max(1, torch.cuda.device_count()), len(units))
    if jobs > 1:
        return _side_by_side(units, jobs, watcher)
    return list(_in_turn(units, watcher))


def _units(
    target: Target, request: Request, settings: TaskSettings, tasks: Sequence[Task | str]
) -> Iterator[_Unit]:
    """The work on a target, tasks first, so that models share what is made of a task's data."""
    for task_or_name in tasks:
        record = target.record
        task = task_or_name
        if isinstance(task, str):
            task = _corpus_task(task, target, request.corpus, settings)
            if request.corpus is not None and target.config is not None:
                record = None  # the run's own result stays
        for checkpoint, subject in target.subjects:
            if checkpoint != RANDOM or task.name not in _NOT_OF_RANDOM:
                yield _Unit(
                    target=target.name,
                    record=record,
                    checkpoint=checkpoint,
                    subject=subject,
                    task=task,
                )


def _task(name: str, settings: TaskSettings, places: Places) -> Task:
    if not is_file(name):
        return TASKS[name](name, settings, places)
    path = Path(name)
    shared = {"fine_tuning": dataclasses.asdict(settings.fine_tuning)}
    return user_task(read_settings(USER_TASKS, path, shared), path.parent)


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


def _in_turn(units: Sequence[_Unit], watcher: Watcher) -> Iterator[Outcome]:
    total, done = sum(unit.size for unit in units), 0
    for unit in units:
        place = f"{unit.task.name} {unit.checkpoint}"

        def told(stage: str, part: int, whole: int | None, place: str = place) -> None:
            of = f"/{whole}" if whole else ""
            watcher.on_doing(f"{place}: {stage} {part}{of}")

        results: list[Result] = []
        problem = ""
        try:
            for result in _results(unit, told):
                results.append(result)
                watcher.on_progress(done + len(results), total)
        except (UserError, torch.OutOfMemoryError) as error:
            problem = _one_line(error)
        done += unit.size
        watcher.on_progress(done, total)
        yield unit.outcome(results, problem)


def _side_by_side(units: Sequence[_Unit], jobs: int, watcher: Watcher) -> list[Outcome]:
    """The same in several processes; the outcomes stand in the order of the units."""
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for number in range(jobs):
        places.put(number)
    threads = max(1, torch.get_num_threads() // jobs)
    found: dict[int, Outcome] = {}
    done, total = 0, sum(unit.size for unit in units)
    pool = ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_begin_worker, initargs=(places, threads)
    )
    try:
        waiting = {pool.submit(_work, unit): number for number, unit in enumerate(units)}
        for finished in as_completed(waiting):
            number = waiting[finished]
            found[number] = finished.result()
            done += units[number].size
            watcher.on_doing(f"{units[number].task.name} {units[number].checkpoint}: done")
            watcher.on_progress(done, total)
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()  # results are whole or absent
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return [found[number] for number in range(len(units))]


_DEVICE = "cpu"


def _begin_worker(places: multiprocessing.Queue[int], threads: int) -> None:
    """Take a device for this process: the processes share the GPUs in turn."""
    import signal

    global _DEVICE
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it and ends the others
    torch.set_num_threads(threads)
    number = places.get()
    if torch.cuda.is_available():
        _DEVICE = f"cuda:{number % torch.cuda.device_count()}"
        torch.cuda.set_device(_DEVICE)
    else:
        keep_freed_memory()


def _work(unit: _Unit) -> Outcome:
    unit = replace(unit, subject=replace(unit.subject, device=_DEVICE))
    return next(_in_turn([unit], Watcher()))


def _results(unit: _Unit, told: Callable[[str, int, int | None], None]) -> Iterator[Result]:
    shelf = Shelf.of(
        unit.record,
        unit.task,
        unit.checkpoint,
        model=unit.subject.fingerprint,
        versions=_versions(),
    )
    yield from results_of(unit.task, unit.subject, shelf, told)


def _versions() -> Mapping[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _one_line(error: BaseException) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory on the device. Set a smaller fine_tuning.batch_size."
    return " ".join(str(error).split())
