"""The settings of runs that are there: each file is read once, until it changes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.runs.config import RunConfig, read_run_config

_MAX_KEPT = 1 << 14


def kept_config(run: RunDirectory) -> RunConfig | None:
    """The settings of a run from its run.yaml; `None` where it has none yet.

    A study asks for them several times in one command, and reading one takes milliseconds.

    Raises:
        UserError: the file is damaged or its settings are wrong; it says how to go on.
    """
    try:
        found = run.config.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return _read(run.config, found.st_ino, found.st_size, found.st_mtime_ns)
    except UserError as error:
        raise UserError(
            f"{error} Restore the file, or delete {run.root} to train the run again."
        ) from error


@lru_cache(maxsize=_MAX_KEPT)
def _read(path: Path, _inode: int, _size: int, _changed: int) -> RunConfig:
    return read_run_config(path)
