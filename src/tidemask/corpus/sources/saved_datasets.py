"""What `save_to_disk` of `datasets` writes: a directory of Arrow files, or one for each split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tidemask.errors import UserError
from tidemask.files.paths import check_plain_files
from tidemask.reading import MAX_INDEX_BYTES, read_json

TRAINING_SPLIT = "train"
"""The split that is read where a data set has several and none is named."""

_STATE, _SPLITS = "state.json", "dataset_dict.json"
_ADVICE = "Expected what `save_to_disk` of datasets writes. Write it again."


@dataclass(frozen=True)
class _DataFile:
    filename: str


@dataclass(frozen=True)
class _State:
    _data_files: list[_DataFile]


@dataclass(frozen=True)
class _Splits:
    splits: list[str]


def is_saved_dataset(directory: Path) -> bool:
    """Whether a directory was written by `save_to_disk`."""
    return (directory / _SPLITS).is_file() or (
        (directory / _STATE).is_file() and (directory / "dataset_info.json").is_file()
    )


def saved_files(directory: Path) -> tuple[list[Path], list[str]]:
    """The Arrow files of a saved data set in the order of its rows, and notes.

    Of several splits the one called train is read, or the only one; a note names the others. The
    directory of another split can be named instead.

    Raises:
        UserError: the directory is damaged, lacks a file, or has several splits, none called train.
    """
    check_plain_files(directory)
    if not (directory / _SPLITS).is_file():
        return _files_of(directory), []
    path = directory / _SPLITS
    splits = read_json(
        path, _Splits, what="data set", advice=_ADVICE, max_bytes=MAX_INDEX_BYTES
    ).splits
    if len(splits) == 1:
        return _files_of(directory / splits[0]), []
    if TRAINING_SPLIT not in splits:
        raise UserError(
            f"no split {TRAINING_SPLIT}: {directory} has {', '.join(splits) or 'none'}. Name the "
            f"directory of one of them, such as {directory / (splits or ['SPLIT'])[0]}."
        )
    others = ", ".join(split for split in splits if split != TRAINING_SPLIT)
    note = f"Of the data set {directory} the split {TRAINING_SPLIT} is read, and not {others}."
    return _files_of(directory / TRAINING_SPLIT), [note]


def _files_of(directory: Path) -> list[Path]:
    state = read_json(
        directory / _STATE, _State, what="data set", advice=_ADVICE, max_bytes=MAX_INDEX_BYTES
    )
    paths = [directory / Path(file.filename).name for file in state._data_files]
    for path in paths:
        if not path.is_file():
            raise UserError(f"damaged data set: {directory} lacks {path.name}. {_ADVICE}")
    return paths
