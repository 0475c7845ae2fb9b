"""`tidemask study` whose worker processes are forked from one that has imported a lot."""

from __future__ import annotations

import sys

import small_runs
from tidemask.__main__ import main
from tidemask.studies import launching, worker


def warm_workers() -> None:
    """From now on, in this process."""
    assert worker.__file__ is not None
    command = small_runs.warm_command(worker.__file__)
    launching.worker_command = lambda: command


if __name__ == "__main__":
    sys.argv[0] = "tidemask"
    warm_workers()
    main()
