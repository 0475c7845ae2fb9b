"""How often a final was looked at: once for every number of seeds that an answer was given with.

Within one command nothing of the final is looked at before all of its seeds are trained: how many
those are follows from what was asked and from the time. A later command with more seeds or a larger
budget looks again at what has grown, and may be given because of what was seen.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from tidemask.files.atomic import write_atomically
from tidemask.reading import MAX_INDEX_BYTES, read_json
from tidemask.tuning.definition import TuneDirectory


@dataclass(frozen=True)
class _Looks:
    """The content of the file."""

    num_seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(number < 1 for number in self.num_seeds):
            raise ValueError(f"num_seeds={list(self.num_seeds)}. Expected numbers of at least 1")


def earlier_looks(directory: TuneDirectory, num_seeds: int) -> tuple[int, ...]:
    """Note that an answer with so many seeds is given, and say with how many others were before.

    Args:
        directory: of the search.
        num_seeds: of each finalist in this answer.

    Raises:
        UserError: the file of the looks is damaged or cannot be written.
    """
    before = _read(directory)
    if num_seeds not in before:
        kept = dataclasses.asdict(_Looks((*before, num_seeds)))
        write_atomically(directory.looks, f"{json.dumps(kept)}\n", what="looks at the final")
    return tuple(number for number in before if number != num_seeds)


def _read(directory: TuneDirectory) -> tuple[int, ...]:
    if not directory.looks.is_file():
        return ()
    return read_json(
        directory.looks,
        _Looks,
        what="looks at the final",
        max_bytes=MAX_INDEX_BYTES,
        advice="Restore the file, or delete it and say how often you looked.",
    ).num_seeds
