"""The work of an evaluation: a task on one model, done in turn or side by side in processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib import metadata

import torch

from tidemask.errors import UserError
from tidemask.evaluation.results import Result, Shelf
from tidemask.evaluation.running import results_of
from tidemask.evaluation.subject import Subject
from tidemask.evaluation.task import FineTunedTask, Task
from tidemask.run_record import RunDirectory
from tidemask.training.freed_memory import keep_freed_memory

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
    """A task on one model."""

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
    """

    on_progress: Callable[[int, int], None] = lambda done, total: None
    on_doing: Callable[[str], None] = lambda text: None


def in_turn(units: Sequence[Unit], watcher: Watcher) -> Iterator[Outcome]:
    """Do one unit after the other; what each gave comes when it is done."""
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


def side_by_side(units: Sequence[Unit], jobs: int, watcher: Watcher) -> list[Outcome]:
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
    global _DEVICE
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it and ends the others
    torch.set_num_threads(threads)
    number = places.get()
    if torch.cuda.is_available():
        _DEVICE = f"cuda:{number % torch.cuda.device_count()}"
        torch.cuda.set_device(_DEVICE)
    else:
        keep_freed_memory()


def _work(unit: Unit) -> Outcome:
    unit = replace(unit, subject=replace(unit.subject, device=_DEVICE))
    return next(in_turn([unit], Watcher()))


def _results(unit: Unit, told: Callable[[str, int, int | None], None]) -> Iterator[Result]:
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
