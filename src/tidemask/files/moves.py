"""The parts of a directory moved into place one by one, so that a kill between two can be finished.

A list of the parts is on the disk before the first is moved, and lies with those that are still to
move. Whoever finds it, and no process that moves them, moves the others too: nothing that was
written whole is lost, and nothing that is in place is replaced or removed.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from tidemask.errors import UserError
from tidemask.reading import MAX_LIST_BYTES, read_json

logger = logging.getLogger(__name__)

_LIST = ".parts-to-move.json"
"""Names of all parts, in the order in which they are moved."""


def move_parts(aside: Path, last: str) -> None:
    """Move what is in a directory into the one around it; all of it or none.

    Args:
        aside: what is moved lies in it.
        last: name of the part that is moved after all others.

    Raises:
        OSError: a part could not be moved; those that were are back in `aside`.
    """
    names = sorted((part.name for part in aside.iterdir()), key=lambda name: (name == last, name))
    moved: list[str] = []
    try:
        with (aside / _LIST).open("w") as file:
            json.dump(names, file)
            file.flush()
            os.fsync(file.fileno())
        for name in names:
            moved.append(name)
            (aside / name).rename(aside.parent / name)
    except BaseException:
        try:
            for name in reversed(moved):
                if not (aside / name).exists():
                    (aside.parent / name).rename(aside / name)
        finally:  # what is removed next must not be taken for whole
            (aside / _LIST).unlink(missing_ok=True)
        raise


def finish_moves(aside: Path) -> bool:
    """Move the parts that a killed process did not come to, if it had begun to move them.

    They stay where somebody has taken a part away since, or put another in its place. No other
    process may move them meanwhile.

    Args:
        aside: what was to be moved into the directory around it; need not exist.

    Returns:
        Whether all parts are in their place now, and the list of them is gone.

    Raises:
        OSError: a part could not be moved; the next call goes on.
    """
    names = _listed(aside)
    waiting = [name for name in names if os.path.lexists(aside / name)]
    in_place = [name for name in names if os.path.lexists(aside.parent / name)]
    if sorted(waiting + in_place) != sorted(names):
        (aside / _LIST).unlink(missing_ok=True)
        return False
    for name in waiting:
        (aside / name).rename(aside.parent / name)
    if waiting:
        logger.warning(
            "%s was whole when the process that wrote it was killed. %d of its %d parts were not "
            "in their place yet and are now.",
            aside.parent,
            len(waiting),
            len(names),
        )
    if names:
        (aside / _LIST).unlink(missing_ok=True)
    return bool(names)


def _listed(aside: Path) -> list[str]:
    """The parts that are to move; none where no list is, or it was not written to its end.

    Whoever gave the directory away may have written the list: it names parts and no other place.
    """
    if aside.is_symlink():
        return []
    try:
        names = read_json(aside / _LIST, list[str], max_bytes=MAX_LIST_BYTES)
    except (OSError, UserError):
        return []
    return names if all(map(_is_part, names)) and len(set(names)) == len(names) else []


def _is_part(name: str) -> bool:
    return name not in ("", ".", "..", _LIST) and not set(name) & {"/", "\\", "\0"}
