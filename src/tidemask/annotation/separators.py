"""Lists of words whose labels stand after something else than a tab, so that they are phrases."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from tidemask.settings import shown

_SEPARATORS = {
    "a comma": ",",
    "a semicolon": ";",
    "a bar": r"\|",
    "an equals sign": "=",
    "a backslash and a t": r"\\t",
    "several spaces": " {2,}",
}
"""What stands in the place of a tab, as a pattern, by what a message calls it."""


def separator_in(line: str) -> tuple[str, str] | None:
    """What stands once in a line, and what follows it; none if there is nothing of the kind.

    Example:
        >>> separator_in("river;WATER"), separator_in("the river")
        (('a semicolon', 'WATER'), None)
    """
    for name, pattern in _SEPARATORS.items():
        parts = [part.strip() for part in re.split(pattern, line.strip())]
        if len(parts) == 2 and all(parts):
            return name, parts[1]
    return None


def separator_note(path: Path, without_tab: Sequence[str], labels: Collection[str]) -> str | None:
    """A note on lines that seem to have something else in the place of a tab.

    Args:
        path: of the list.
        without_tab: its lines that have no tab.
        labels: what stands after the tabs of the others; empty if no line has a tab.
    """
    found = [(line, separator) for line in without_tab if (separator := separator_in(line))]
    if labels:
        found = [(line, (name, after)) for line, (name, after) in found if after in labels]
        if not found:
            return None
        line, (name, _) = found[0]
        return (
            f"Lines of {path} that have {name} where others have a tab, such as {shown(line)}: "
            f"{len(found):,}. Each is read as one phrase without a label. Put a tab there."
        )
    names = {name for _, (name, _) in found}
    if len(found) < len(without_tab) or len(names) != 1:
        return None
    (name,) = names
    return (
        f"No line of {path} has a tab, and each has {name}: {shown(found[0][0])} is read as one "
        "phrase. Where a label or a weight follows, put a tab there."
    )
