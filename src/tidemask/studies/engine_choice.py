"""Which engine a command asks for, and how many runs at once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

from tidemask.errors import UserError
from tidemask.processes import max_workers
from tidemask.settings import check_integer
from tidemask.studies.engines import Engine, local_engine
from tidemask.studies.ray_engine import ray_engine

EngineName = Literal["local", "ray"]


def chosen_engine(
    name: EngineName, address: str | None, jobs: int, processes: int = 1
) -> AbstractContextManager[Engine]:
    """The engine of a name; at the end of the block its processes are asked to stop.

    Args:
        name: `local`, or `ray`.
        address: of the Ray cluster; `None` starts Ray on this machine.
        jobs: runs at once.
        processes: of one run.

    Raises:
        UserError: there is no such engine, or an address is given for that of this machine.
    """
    if name == "ray":
        return ray_engine(address, jobs, processes)
    if name != "local":
        raise UserError(f"no such engine: {name}. Expected local or ray (--engine).")
    if address is not None:
        raise UserError(f"address without Ray: address={address}. Add --engine ray.")
    return local_engine(jobs, processes)


def checked_jobs(jobs: int) -> int:
    """The number of runs at once as Python's own.

    Raises:
        UserError: it is outside its range.
    """
    try:
        return check_integer("jobs", jobs, minimum=1, below=max_workers() + 1)
    except ValueError as error:
        raise UserError(f"number of runs at once outside its range: {error}") from error
