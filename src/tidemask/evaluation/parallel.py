"""Running jobs in several processes, each on a device of its own.

Processes are fresh ones, for CUDA does not survive a fork. They end when the first process does,
however that ends: a scheduler's SIGTERM leaves none behind that would write beside a new command.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event

import torch

from tidemask.children import serve_parent
from tidemask.errors import UserError
from tidemask.evaluation.jobs import Job, JobResult
from tidemask.evaluation.running import EvaluationProgress, run_jobs
from tidemask.processes import keep_freed_memory
from tidemask.progress.display import displayed

_NOT_BEGUN = (
    "the processes that measure died before they began. Each runs a script that starts them again "
    'from its top: call `evaluate` below `if __name__ == "__main__":`, or with jobs=1. If it is '
    "called so, there is too little memory."
)


def run_jobs_in_parallel(
    jobs: Sequence[Job], num_processes: int, progress: EvaluationProgress
) -> list[JobResult]:
    """Run the jobs in so many processes; the results are in the order of the jobs.

    Where a process dies, as one does that takes more memory than there is, each job that is left
    runs in a process of its own, so that the job that causes it is known.

    Raises:
        UserError: no process started, as from a script without a guard.
    """
    found: dict[int, JobResult] = {}
    done = 0

    def take(number: int, result: JobResult) -> None:
        nonlocal done
        found[number] = result
        done += jobs[number].num_results
        progress.show(f"{jobs[number].label}: done")
        progress.update(done)

    try:
        with _pool(num_processes) as pool:
            waiting = {pool.submit(_run_job, job): number for number, job in enumerate(jobs)}
            for finished in as_completed(waiting):
                take(waiting[finished], finished.result())
    except BrokenProcessPool:
        for number, job in enumerate(jobs):
            if number not in found:
                take(number, _run_alone(job))
    return [found[number] for number in range(len(jobs))]


def _run_alone(job: Job) -> JobResult:
    try:
        with _pool(1) as pool:
            return pool.submit(_run_job, job).result()
    except (BrokenProcessPool, UserError):
        return job.result([], "the process that measured it died; is there too little memory?")


@contextmanager
def _pool(num_processes: int) -> Iterator[ProcessPoolExecutor]:
    """Worker processes with devices; killed on an error, for files of results are written whole.

    Raises:
        UserError: they died before any of them began to work.
    """
    context = multiprocessing.get_context("spawn")
    devices, has_begun = context.Queue(), context.Event()
    for number in range(num_processes):
        devices.put(number)
    threads = max(1, torch.get_num_threads() // num_processes)
    pool = ProcessPoolExecutor(
        num_processes,
        mp_context=context,
        initializer=_begin_worker,
        initargs=(devices, has_begun, threads),
    )
    try:
        yield pool
    except BaseException as error:
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        if isinstance(error, BrokenProcessPool) and not has_begun.is_set():
            raise UserError(_NOT_BEGUN) from error
        raise
    pool.shutdown()


def _begin_worker(devices: multiprocessing.Queue[int], has_begun: Event, threads: int) -> None:
    """Take a GPU for this process, in turn where there are fewer, and end with the first process.

    The process sees its GPU alone, before CUDA begins: what transformers and Accelerate take for
    the first GPU is then this one.
    """
    has_begun.set()
    serve_parent()
    torch.set_num_threads(threads)
    visible = visible_devices()
    if visible:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[devices.get() % len(visible)]
    else:
        keep_freed_memory()


def visible_devices() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [device for device in named.split(",") if device.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]


def _run_job(job: Job) -> JobResult:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    here = replace(job, model_under_test=replace(job.model_under_test, device=device))
    with displayed(False) as silent:
        return next(run_jobs([here], EvaluationProgress(silent, job.num_results)))
