"""Runs of studies in the process of the test: for tests in which a process is not the point."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from tidemask.studies import engine_choice, worker
from tidemask.studies.worker import RunJob
from tidemask.training.signals import StopRequest

Setter = Callable[[object, str, object], None]


class EngineInProcess:
    """Trains each run as soon as it is submitted, as its process would."""

    threads = 1

    def submit(self, job: RunJob, log: Path) -> Future[int]:
        """Do the job; its exit status, and what its process would print."""
        done: Future[int] = Future()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file, redirect_stderr(file):
            try:
                done.set_result(worker._attempt(job, StopRequest()))
            except Exception:
                traceback.print_exc(file=file)
                done.set_result(1)
        return done

    def stop(self) -> None:
        """Nothing goes on."""


def studies_in_process(set_attribute: Setter = setattr) -> None:
    """Let `run_study` train in this process, and its pages be without drawings."""
    from bare_pages import without_drawings

    @contextmanager
    def engine(*_: object) -> Iterator[EngineInProcess]:
        yield EngineInProcess()

    set_attribute(worker, "_stop_with_input", lambda: None)
    set_attribute(engine_choice, "local_engine", engine)
    without_drawings(set_attribute)
