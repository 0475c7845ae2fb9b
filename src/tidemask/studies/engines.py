"""Where the runs of a study are trained: in processes of this machine, or by Ray on several."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from tidemask.processes import available_cores
from tidemask.studies.launching import run_worker
from tidemask.studies.worker import RunJob


class Engine(Protocol):
    """Runs worker processes, several at once."""

    threads: int
    """Of the arithmetic of one run on a CPU."""

    def submit(self, job: RunJob, log: Path) -> Future[int]:
        """Begin a job where there is room; the exit status of its process."""

    def stop(self) -> None:
        """Ask every process to save its state and end; what has not begun does not begin."""


class LocalEngine:
    """Processes of this machine: each has one GPU, in turn, or a share of the cores.

    Args:
        jobs: how many run at once.
        gpus: names of the GPUs, as `CUDA_VISIBLE_DEVICES` has them; none on a CPU.
        processes: of one run, each on a GPU of its own.
    """

    def __init__(self, jobs: int, gpus: list[str], processes: int = 1) -> None:
        self.threads = max(1, available_cores() // (jobs * processes))
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="run")
        self._stopping = threading.Event()
        self._slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(jobs):
            self._slots.put(slot)
        self._gpus, self._processes = gpus, processes

    def submit(self, job: RunJob, log: Path) -> Future[int]:
        """Begin a job in a thread that waits for its process."""
        return self._pool.submit(self._run, job, log)

    def stop(self) -> None:
        """Ask every process to save its state and end."""
        self._stopping.set()

    def close(self) -> None:
        """Wait for all processes."""
        self._pool.shutdown(cancel_futures=True)

    def _run(self, job: RunJob, log: Path) -> int:
        slot = self._slots.get()
        try:
            environment = {**_threads(self.threads), **self._devices(slot)}
            return run_worker(job, log, environment, self._stopping.is_set)
        finally:
            self._slots.put(slot)

    def _devices(self, slot: int) -> Mapping[str, str]:
        """The GPUs of a slot; with fewer than there are slots they are shared."""
        if not self._gpus:
            return {}
        first = slot * self._processes
        own = [self._gpus[(first + number) % len(self._gpus)] for number in range(self._processes)]
        return {"CUDA_VISIBLE_DEVICES": ",".join(dict.fromkeys(own))}


def _threads(number: int) -> dict[str, str]:
    return {"OMP_NUM_THREADS": str(number)}


@contextmanager
def local_engine(jobs: int, processes: int) -> Iterator[LocalEngine]:
    """Processes of this machine; at the end of the block they are asked to stop and waited for."""
    from tidemask.evaluation.parallel import visible_devices

    engine = LocalEngine(jobs, visible_devices(), processes)
    try:
        yield engine
    finally:
        engine.stop()
        engine.close()
