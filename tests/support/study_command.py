"""`tidemask study` that is quick: its workers are forked, and its pages have no drawings."""

from __future__ import annotations

import sys
from collections.abc import Callable

import small_runs
from bare_pages import without_drawings
from tidemask.__main__ import main
from tidemask.studies import launching, worker

Setter = Callable[[object, str, object], None]


def warm_workers(set_attribute: Setter = setattr) -> None:
    """Let the workers of this process be forked."""
    assert worker.__file__ is not None
    command = small_runs.warm_command(worker.__file__)
    set_attribute(launching, "worker_command", lambda: command)


def quick_studies(set_attribute: Setter = setattr) -> None:
    """The same, and pages without drawings."""
    warm_workers(set_attribute)
    without_drawings(set_attribute)


if __name__ == "__main__":
    sys.argv[0] = "tidemask"
    quick_studies()
    main()
