"""Runs of a study on the machines of a Ray cluster, or on a Ray of this machine.

Every machine must see the directory of the study and its corpora under the same paths. Each run is
a task that starts the same worker process as without Ray, with as many threads: the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tidemask.errors import UserError, one_line
from tidemask.ray_connection import connected_ray
from tidemask.studies.launching import run_worker
from tidemask.studies.worker import RunJob

LOST = 255
"""Exit status of a run whose machine or Ray worker was lost."""


class RayEngine:
    """Tasks of Ray.

    Args:
        ray: the module, connected.
        jobs: how many run at once; the CPUs of the machines are divided among them.
        processes: of one run, each on a GPU of its own where there are GPUs.

    Raises:
        UserError: no machine has as many GPUs as a run has processes.
    """

    def __init__(self, ray: Any, jobs: int, processes: int = 1) -> None:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus, gpus = ([int(one.get(kind, 0)) for one in machines] for kind in ("CPU", "GPU"))
        if 0 < max(gpus, default=0) < processes:
            raise UserError(
                f"run that no machine has room for: processes={processes}, and the machines of "
                f"the cluster have {max(gpus)} GPUs at most. Lower `processes` in the study."
            )
        self.threads = threads_of_each(cpus, jobs, processes)
        self._ray = ray
        self._task = ray.remote(
            num_cpus=min(self.threads * processes, max(cpus, default=1)),
            num_gpus=processes if any(gpus) else 0,
            max_retries=0,
        )(_run)
        self._running: list[Any] = []

    def submit(self, job: RunJob, log: Path) -> Future[int]:
        """Begin a job where the cluster has room."""
        reference = self._task.remote(job, str(log), self.threads)
        self._running.append(reference)
        status: Future[int] = Future()

        def take(finished: Future[Any]) -> None:
            error = finished.exception()
            if error is None:
                status.set_result(finished.result())
            else:
                logging.getLogger(__name__).info("a run was lost: %s", one_line(error))
                status.set_result(LOST)

        reference.future().add_done_callback(take)
        return status

    def stop(self) -> None:
        """Ask every task to stop, by the exception that Ray raises in it."""
        for reference in self._running:
            with suppress(Exception):  # it has ended
                self._ray.cancel(reference)


def threads_of_each(machines: Sequence[int], jobs: int, processes: int) -> int:
    """The most threads of every process of a run, with which all runs have room at once.

    A run has room on one machine alone: two machines of 8 CPUs have room for three runs of 4
    threads, not for three of 5. Where the runs have no room with one thread each, that is what
    they get, and some wait.

    Args:
        machines: CPUs of each.
        jobs: runs at once.
        processes: of one run, all on one machine.

    Example:
        >>> threads_of_each([8, 8], jobs=1, processes=1), threads_of_each([8, 8], 3, 1)
        (8, 4)
    """
    for threads in range(max(machines, default=1) // processes, 1, -1):
        if sum(cpus // (threads * processes) for cpus in machines) >= jobs:
            return threads
    return 1


def _run(job: RunJob, log: str, threads: int) -> int:
    """A task: a worker process on the machine where Ray runs this."""
    environment = {"OMP_NUM_THREADS": str(threads)}
    try:
        return run_worker(job, Path(log), environment, is_stopping=lambda: False)
    except KeyboardInterrupt:  # Ray's way to cancel; the process has stopped in order by then
        return 0


@contextmanager
def ray_engine(address: str, jobs: int, processes: int) -> Iterator[RayEngine]:
    """Connect to a cluster, or start Ray on this machine; leave it at the end.

    Args:
        address: as `connected_ray` takes it.
        jobs: how many run at once.
        processes: of one run.

    Raises:
        UserError: Ray is not installed, or nobody answers at the address.
    """
    with connected_ray(address) as ray:
        engine = RayEngine(ray, jobs, processes)
        try:
            yield engine
        finally:
            engine.stop()
