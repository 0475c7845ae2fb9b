"""What a preparation that was interrupted has finished, for the next of the same text and settings.

The documents are read and planned again, which is a small part of the time: their digest tells
whether they are the same. The tokenizer, the rows and the tables are gone on with.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.errors import UserError
from tidemask.files.atomic import write_atomically
from tidemask.files.continued import ContinuedDirectory
from tidemask.reading import ANY_LENGTH, read_json

_STATE = "state.npz"


@dataclass(frozen=True)
class Begun:
    """What is noted once the tokenizer is there.

    Attributes:
        key: hash of all that the corpus depends on.
        notes: on the tokenizer.
    """

    key: str
    notes: tuple[str, ...]


def preparation_key(parts: Mapping[str, object]) -> str:
    """A hash of all that a corpus depends on, hexadecimal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def what_is_begun(directory: ContinuedDirectory, key: str) -> Begun | None:
    """What an interrupted preparation of this key has noted, or none; what others left is removed.

    Args:
        directory: of the corpus, written aside.
        key: of this preparation.
    """
    if directory.begun.is_file():
        try:
            begun = read_json(directory.begun, Begun, max_bytes=ANY_LENGTH)
        except UserError:
            begun = None
        if begun is not None and begun.key == key:
            return begun
    directory.clear()
    return None


def note_begun(directory: ContinuedDirectory, key: str, notes: Sequence[str]) -> Begun:
    """Note that the tokenizer is there."""
    begun = Begun(key, tuple(notes))
    write_atomically(directory.begun, json.dumps(asdict(begun), ensure_ascii=False))
    return begun


def note_state(directory: ContinuedDirectory, state: Mapping[str, NDArray[Any]]) -> None:
    """Note what the files do not have yet, in place of what was noted before."""
    file = io.BytesIO()
    plain: dict[str, Any] = dict(state)
    np.savez(file, allow_pickle=False, **plain)
    write_atomically(directory.progress / _STATE, file.getvalue())


def noted_state(directory: ContinuedDirectory) -> dict[str, NDArray[Any]] | None:
    """What was noted last, or none."""
    path = directory.progress / _STATE
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}
