"""Running jobs one after the other, with their progress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata

import torch

from tidemask.evaluation.jobs import Job, JobResult, error_line
from tidemask.evaluation.result_store import ResultStore, SeedResult
from tidemask.evaluation.seed_results import seed_results
from tidemask.progress import ProgressCallback
from tidemask.progress.display import ProgressDisplay
from tidemask.progress.line import Part
from tidemask.tasks.fine_tuned_task import FineTunedTask

_STAGE = "evaluation"
_PACKAGES = ("tidemask", "torch", "transformers", "tokenizers", "numpy", "scikit-learn", "scipy")


class EvaluationProgress:
    """Shows how many results there are, and what is being done.

    Args:
        display: where it is shown.
        total: how many results there will be.
    """

    def __init__(self, display: ProgressDisplay, total: int) -> None:
        self._display, self._done, self._total = display, 0, total

    def update(self, done: int) -> None:
        """Show that `done` results are there."""
        self._done = done
        self._display.on_progress(_STAGE, done, self._total)

    def show(self, activity: str) -> None:
        """Show what is being done right now, in a few words."""
        self._display.on_detail(_STAGE, [Part(6, activity, activity)])
        if self._done < self._total:
            self._display.on_progress(_STAGE, self._done, self._total)


def run_jobs(jobs: Sequence[Job], progress: EvaluationProgress) -> Iterator[JobResult]:
    """Run one job after the other, and yield the result of each when it is done."""
    done = 0
    tasks = [job.task for job in jobs]
    for number, job in enumerate(jobs):

        def on_progress(stage: str, part: int, whole: int | None, label: str = job.label) -> None:
            of = f"/{whole}" if whole else ""
            progress.show(f"{label}: {stage} {part}{of}")

        results: list[SeedResult] = []
        problem = job.problem
        try:
            for result in () if problem else _results_of_job(job, on_progress):
                results.append(result)
                progress.update(done + len(results))
        except Exception as error:  # whatever it is, the other jobs must still run
            problem = error_line(error, job.label)
        done += job.num_results
        progress.update(done)
        if isinstance(job.task, FineTunedTask) and job.task not in tasks[number + 1 :]:
            job.task.release()
        yield job.result(results, problem)


def _results_of_job(job: Job, on_progress: ProgressCallback) -> Iterator[SeedResult]:
    model = job.model_under_test
    store = ResultStore.of(
        job.record,
        job.task,
        job.checkpoint,
        model=model.identity,
        model_type=model.model_type,
        versions=_versions(),
        device=torch.cuda.get_device_name() if model.device.startswith("cuda") else "cpu",
    )
    yield from seed_results(job.task, model, store, on_progress)


def _versions() -> Mapping[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
