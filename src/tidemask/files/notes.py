"""Notes on files that must stay as they were while a run goes on, to compare them with.

Size, time of change and inode of a file are noted once. To compare them takes a few microseconds.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import NamedTuple


class FileNote(NamedTuple):
    """What tells whether a file is what it was.

    Attributes:
        num_bytes: its size.
        modified_ns: time of its last change, nanoseconds since 1970.
        inode: its number; another file that took its name has another.
    """

    num_bytes: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, file: Path | int) -> FileNote:
        """Of a file by its path, or of an open one by its descriptor."""
        status = os.stat(file)  # noqa: PTH116  # takes both
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)

    def difference(self, file: Path | int) -> str | None:
        """What happened to a file since, as a predicate; `None` if nothing did.

        Example:
            >>> from pathlib import Path
            >>> from tidemask.files.notes import FileNote
            >>> path = Path("numbers.txt")
            >>> path.write_text("1 2 3")
            5
            >>> note = FileNote.of(path)
            >>> note.difference(path) is None, path.write_text("1 2")
            (True, 3)
            >>> note.difference(path)
            'has 3 bytes, and had 5'
        """
        try:
            now = FileNote.of(file)
        except OSError as error:
            return f"cannot be read any more ({error.strerror})"
        if now.num_bytes != self.num_bytes:
            return f"has {now.num_bytes:,} bytes, and had {self.num_bytes:,}"
        if now.inode != self.inode:
            return "was replaced by another file"
        if now.modified_ns != self.modified_ns:
            when = datetime.fromtimestamp(now.modified_ns / 1e9).astimezone()
            return f"was written to ({when:%Y-%m-%d %H:%M:%S})"
        return None
