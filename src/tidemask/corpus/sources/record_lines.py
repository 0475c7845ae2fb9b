"""Lines that are records of JSON Lines where the name of their file does not say so."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tidemask.corpus.sources.decoding import Decoding, decoded
from tidemask.corpus.sources.finding import InputFile

_LOOKED_AT_FILES = 32
_LOOKED_AT_CHARACTERS = 1 << 20
"""What is looked at of each."""

_BEGIN = re.compile(r'\s*\{\s*"')


def is_record(line: str, *, breaks_off: bool = False) -> bool:
    r"""Whether a line is a JSON object, or one that breaks off at its end seems to be.

    Example:
        >>> is_record('{"text": "one"}'), is_record('{"text": "on', breaks_off=True)
        (True, True)
        >>> is_record("{one, two}"), is_record("[1]")
        (False, False)
    """
    if breaks_off:
        return _BEGIN.match(line) is not None
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def note_on_record_lines(files: Sequence[InputFile], decoding: Decoding) -> str | None:
    """A sentence on files of running text that begin with a record; `None` if there are none.

    Args:
        files: running text, some of which are looked at.
        decoding: of their bytes.

    Raises:
        UserError: a file cannot be read or is not text.
    """
    step = max(1, -(-len(files) // _LOOKED_AT_FILES))
    found = [file for file in files[::step] if _begins_with_record(file, decoding)]
    if not found:
        return None
    others = "does another" if len(found) == 2 else f"do {len(found) - 1} others"
    more = f", as {others} of those looked at" if len(found) > 1 else ""
    return (
        f"{found[0].name} is read as text and begins with a JSON object{more}: keys and brackets "
        "are trained on, too. If its lines are records, let its name end in .jsonl."
    )


def _begins_with_record(file: InputFile, decoding: Decoding) -> bool:
    begin = ""
    for piece in decoded(file.path, decoding):
        begin = (begin + piece).lstrip()
        if "\n" in begin or len(begin) >= _LOOKED_AT_CHARACTERS:
            break
    line, end, _ = begin[:_LOOKED_AT_CHARACTERS].partition("\n")
    return is_record(line, breaks_off=not end and len(begin) >= _LOOKED_AT_CHARACTERS)
