"""Whether a name is a directory here or the name of a model or data set on the hub."""

from __future__ import annotations

from pathlib import Path

from tidemask.errors import UserError, did_you_mean
from tidemask.files.paths import check_plain_files, given_path


def local_directory(name: str, *, setting: str = "", expected: str) -> Path | None:
    """The directory that a name stands for; `None` if only the hub can have it.

    A name can only be a directory if it begins with `.`, `/` or `~`, has more than one `/`, or
    something lies at that place. Nothing is asked of the hub.

    Args:
        name: what the user wrote.
        setting: the setting or argument that has it, such as `model.warm_start`.
        expected: what the message says was expected, such as "a directory with a config.json".

    Raises:
        UserError: it is empty; a file in the directory is a pipe or a device; or it can only be a
            directory, and there is none.
    """
    path = given_path(name, setting or "name")
    if path.is_dir():
        check_plain_files(path)
        return path
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        where = f"{setting}={name}" if setting else name
        if path.exists():
            raise UserError(
                f"not a directory: {where} is a file. Expected {expected}, or a name on the hub. "
                "Name the directory."
            )
        beside = [str(place) for place in path.parent.glob("*")] if path.parent.is_dir() else []
        raise UserError(
            f"no such directory: {where}. Expected {expected}, or a name on the hub. "
            f"Check the spelling.{did_you_mean(path, beside)}"
        )
    return None
