"""The work of an evaluation in several processes, each on a device of its own.

Processes are fresh ones, for CUDA does not survive a fork. They end when the first process does,
however that ends: a scheduler's SIGTERM leaves none behind that would write beside a new command.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace

import torch

from tidemask.evaluation.jobs import Outcome, Unit, Watcher, in_turn
from tidemask.processes import end_with_parent, keep_freed_memory


def side_by_side(units: Sequence[Unit], jobs: int, watcher: Watcher) -> list[Outcome]:
    """Do the units in so many processes; the outcomes stand in the order of the units.

    Where a process dies, as one does that takes more memory than there is, what is left is done in
    one process after the other, so that the unit that it dies of is known.
    """
    found: dict[int, Outcome] = {}
    done, total = 0, sum(unit.size for unit in units)

    def take(number: int, outcome: Outcome) -> None:
        nonlocal done
        found[number] = outcome
        done += units[number].size
        watcher.on_doing(f"{units[number].task.name} {units[number].checkpoint}: done")
        watcher.on_progress(done, total)

    try:
        with _pool(jobs) as pool:
            waiting = {pool.submit(_work, unit): number for number, unit in enumerate(units)}
            for finished in as_completed(waiting):
                take(waiting[finished], finished.result())
    except BrokenProcessPool:
        for number, unit in enumerate(units):
            if number not in found:
                take(number, _alone(unit))
    return [found[number] for number in range(len(units))]


def _alone(unit: Unit) -> Outcome:
    try:
        with _pool(1) as pool:
            return pool.submit(_work, unit).result()
    except BrokenProcessPool:
        return unit.outcome([], "the process that measured it died; is there too little memory?")


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with devices; killed where the work is broken off, for results are whole."""
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for number in range(jobs):
        places.put(number)
    threads = max(1, torch.get_num_threads() // jobs)
    pool = ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_begin_worker, initargs=(places, threads)
    )
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _begin_worker(places: multiprocessing.Queue[int], threads: int) -> None:
    """Take a GPU for this process, in turn where there are fewer, and watch the first process.

    The process sees its GPU alone, before CUDA begins: what transformers and Accelerate take for
    the first GPU is then this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it and ends the others
    end_with_parent()
    torch.set_num_threads(threads)
    visible = _visible_devices()
    if visible:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[places.get() % len(visible)]
    else:
        keep_freed_memory()


def _visible_devices() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [device for device in named.split(",") if device.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]


def _work(unit: Unit) -> Outcome:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return next(
        in_turn(
            [replace(unit, model_under_test=replace(unit.model_under_test, device=device))],
            Watcher(),
        )
    )
