"""The work of an evaluation: a task on one model, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

import torch

from tidemask.errors import UserError
from tidemask.evaluation.results import Result, Shelf
from tidemask.evaluation.running import results_of
from tidemask.run_record import RunDirectory
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.task import FineTunedTask, Task

logger = logging.getLogger(__name__)

_PACKAGES = ("tidemask", "torch", "transformers", "tokenizers", "numpy", "scikit-learn", "scipy")


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
class Unit:
    """A task on one model.

    Attributes:
        target: the run or model.
        record: where results are kept; `None` keeps none.
        checkpoint: which of the target's models.
        model_under_test: that model.
        task: what is measured of it.
        problem: why it cannot be measured, one line, if that is known already.
    """

    target: str
    record: RunDirectory | None
    checkpoint: str
    model_under_test: ModelUnderTest
    task: Task
    problem: str = ""

    @property
    def size(self) -> int:
        """Results that it gives."""
        return len(self.task.seeds) if isinstance(self.task, FineTunedTask) else 1

    def outcome(self, results: Sequence[Result], problem: str = "") -> Outcome:
        """What came out of it."""
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
        on_problem: one line on a task that will not be measured, before the others begin.
    """

    on_progress: Callable[[int, int], None] = lambda done, total: None
    on_doing: Callable[[str], None] = lambda text: None
    on_problem: Callable[[str], None] = lambda line: None


def problem_of(task: Task) -> str:
    """What is wrong with a task's data, one line; empty if nothing was found."""
    try:
        if isinstance(task, FineTunedTask):
            task.check()
        else:
            task.describe()
    except Exception as error:  # whatever it is, it must not lose the other tasks
        return _explained(error, task.name)
    return ""


def in_turn(units: Sequence[Unit], watcher: Watcher) -> Iterator[Outcome]:
    """Do one unit after the other; what each gave comes when it is done."""
    total, done = sum(unit.size for unit in units), 0
    waiting = [unit.task for unit in units]
    for number, unit in enumerate(units):
        place = f"{unit.task.name} {unit.checkpoint}"

        def told(stage: str, part: int, whole: int | None, place: str = place) -> None:
            of = f"/{whole}" if whole else ""
            watcher.on_doing(f"{place}: {stage} {part}{of}")

        results: list[Result] = []
        problem = unit.problem
        try:
            for result in () if problem else _results(unit, told):
                results.append(result)
                watcher.on_progress(done + len(results), total)
        except Exception as error:  # whatever it is, it must not lose the other tasks
            problem = _explained(error, place)
        done += unit.size
        watcher.on_progress(done, total)
        if isinstance(unit.task, FineTunedTask) and unit.task not in waiting[number + 1 :]:
            unit.task.release()
        yield unit.outcome(results, problem)


def _results(unit: Unit, told: Callable[[str, int, int | None], None]) -> Iterator[Result]:
    shelf = Shelf.of(
        unit.record,
        unit.task,
        unit.checkpoint,
        model=unit.model_under_test.fingerprint,
        versions=_versions(),
        device=_device_name(unit.model_under_test.device),
    )
    yield from results_of(unit.task, unit.model_under_test, shelf, told)


def _versions() -> Mapping[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else "cpu"


def _explained(error: Exception, place: str) -> str:
    """What went wrong in one line; the log has the traceback of what nobody expected."""
    if not isinstance(error, (UserError, OSError, torch.OutOfMemoryError)):
        logger.error("%s failed", place, exc_info=error)
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory on the device. Set a smaller fine_tuning.batch_size."
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
