"""The hub: whether a name is a directory here or one on it, its data sets, and why it fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tidemask.errors import UserError, did_you_mean, missing_package
from tidemask.files.paths import check_plain_files, given_path

_REASONS = {
    "GatedRepoError": "its owner has to admit you: ask on its page, then log in to the hub",
    "RepositoryNotFoundError": "there is none of this name there, or it is private",
    "DatasetNotFoundError": "there is none of this name there, or it is private",
    "RevisionNotFoundError": "it has no such revision",
    "RemoteEntryNotFoundError": "it lacks a file that is needed",
    "HFValidationError": "it is not a name that the hub can have, such as OWNER/NAME",
    "OfflineModeIsEnabled": "HF_HUB_OFFLINE is set, and no copy of it is on this machine",
    "LocalEntryNotFoundError": "the hub cannot be reached, and no copy of it is on this machine",
    "ConnectionError": "the hub cannot be reached, and no copy of it is on this machine",
    "TransportError": "the hub cannot be reached, and no copy of it is on this machine",
}
"""By the errors of the hub's libraries, none of which is imported here; the first that fits."""


def why_not_downloaded(error: BaseException) -> str | None:
    """Why the hub did not give what was asked for, in plain words; `None` if it is not known.

    Args:
        error: of a library, which may have been raised because of one of the hub's.

    Example:
        >>> why_not_downloaded(ConnectionError("HTTPSConnectionPool(host=...)"))
        'the hub cannot be reached, and no copy of it is on this machine'
        >>> why_not_downloaded(ValueError("of something else"))
    """
    kinds = {kind.__name__ for cause in causes_of(error) for kind in type(cause).__mro__}
    return next((reason for name, reason in _REASONS.items() if name in kinds), None)


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """An error, then what it was raised because of, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


@contextmanager
def quiet_retries() -> Iterator[None]:
    """Leave out the lines about every attempt to reach the hub; the error at the end says it."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def datasets_library(user: str) -> Any:
    """The library `datasets`, which knows the data sets of the hub.

    Args:
        user: what needs it, for the message.

    Raises:
        UserError: it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise missing_package(user, "datasets", extra="eval") from error
    return datasets


def load_from_hub(datasets: Any, name: Sequence[str], **options: Any) -> Any:
    """A data set; of one that is a script, which is not run, the hub's Parquet copy.

    Args:
        datasets: the library.
        name: of the data set, and of its configuration if it has several.
        options: of `datasets.load_dataset`.
    """
    try:
        return datasets.load_dataset(*name, **options)
    except RuntimeError as error:
        if "script" not in str(error):
            raise
        return datasets.load_dataset(*name, **{**options, "revision": "refs/convert/parquet"})


@contextmanager
def without_bars(datasets: Any) -> Iterator[None]:
    """Hide the progress bars of `datasets`; progress is reported by callbacks."""
    was_off = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not was_off:
            datasets.enable_progress_bars()


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
