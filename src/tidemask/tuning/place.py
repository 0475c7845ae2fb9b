"""By which name a storage knows the runs of a directory of a search."""

from __future__ import annotations

import dataclasses
import json
import uuid
from dataclasses import dataclass

from tidemask.files.atomic import write_atomically
from tidemask.reading import MAX_INDEX_BYTES, read_json
from tidemask.tuning.definition import TuneDirectory


@dataclass(frozen=True)
class _Place:
    """The content of its file."""

    id: str


def own_place(directory: TuneDirectory) -> str:
    """The name of a directory in a storage: random, kept in it, and moved with it.

    Raises:
        UserError: its file is damaged or cannot be written.
    """
    if directory.place.is_file():
        return read_json(
            directory.place,
            _Place,
            what="name of the search in its storage",
            max_bytes=MAX_INDEX_BYTES,
            advice="Restore the file, or name a new directory as --out.",
        ).id
    place = _Place(uuid.uuid4().hex)
    content = json.dumps(dataclasses.asdict(place))
    write_atomically(directory.place, f"{content}\n", what="search")
    return place.id
