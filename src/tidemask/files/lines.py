"""Files of one record per line, to which processes add that may be killed."""

from __future__ import annotations

import os
from pathlib import Path

from tidemask.reading import ANY_LENGTH, read_bytes


def drop_unfinished_line(path: Path) -> None:
    r"""Cut off the part of a last line that a killed process has left; the part is no record.

    Without that the next line would continue it, and both would be lost.

    Example:
        >>> from pathlib import Path
        >>> path = Path("records.jsonl")
        >>> path.write_text('{"step": 1}\n{"st')
        16
        >>> drop_unfinished_line(path)
        >>> path.read_text()
        '{"step": 1}\n'
    """
    content = read_bytes(path, ANY_LENGTH, "records cannot be read")
    if not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)
