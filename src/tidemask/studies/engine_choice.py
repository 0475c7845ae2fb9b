"""Which engine a command asks for, and how many runs at once."""

from __future__ import annotations

from contextlib import AbstractContextManager

from tidemask.errors import UserError
from tidemask.processes import max_workers
from tidemask.ray_connection import ray_address
from tidemask.settings import check_integer
from tidemask.studies.engines import Engine, local_engine
from tidemask.studies.ray_engine import ray_engine


def chosen_engine(engine: str, jobs: int, processes: int = 1) -> AbstractContextManager[Engine]:
    """The engine of a name; at the end of the block its processes are asked to stop.

    Args:
        engine: as `ray_address` takes it.
        jobs: runs at once.
        processes: of one run.

    Raises:
        UserError: there is no such engine.
    """
    try:
        address = ray_address(engine)
    except ValueError as error:
        raise UserError(f"no such engine: {error} (--engine).") from error
    if address is None:
        return local_engine(jobs, processes)
    return ray_engine(address, jobs, processes)


def checked_jobs(jobs: int) -> int:
    """The number of runs at once as Python's own.

    Raises:
        UserError: it is outside its range.
    """
    try:
        return check_integer("jobs", jobs, minimum=1, below=max_workers() + 1)
    except ValueError as error:
        raise UserError(f"number of runs at once outside its range: {error}") from error
