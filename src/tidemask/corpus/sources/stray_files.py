"""What to do about a file that was found among others and is no text: how to leave it out."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tidemask.corpus.sources.finding import InputFile
from tidemask.reading.compression import without_compression


def leaving_out(file: InputFile, files: Iterable[InputFile]) -> str:
    """A sentence that names the others by a glob.

    It is empty where the file was named and not found, and where no other ending is more frequent
    than its own, so that it is rather damaged than astray.

    Args:
        file: that cannot be read as text.
        files: all that are read. Those of other endings beside it are to stay.
    """
    if file.found_in is None:
        return ""
    beside = Counter(_ending(other.path) for other in files if other.found_in == file.found_in)
    ((ending, number),) = beside.most_common(1)
    if number <= beside[_ending(file.path)]:
        return ""
    pattern = f"{glob.escape(str(file.found_in))}/**/*{ending}"
    names = f"{number:,} files" if number > 1 else "one file"
    return (
        f" If {file.path.name} is not text to train on, leave it out: '{pattern}' names the "
        f"{names} of {ending} there."
    )


def _ending(path: Path) -> str:
    """The ending of a name with that of its compression, as it is written."""
    plain = without_compression(path.name)
    return path.name[len(Path(plain).stem) :]
