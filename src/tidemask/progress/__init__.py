"""How far a long piece of work is: one callback type, one no-op, and calls a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

ProgressCallback = Callable[[str, int, int | None], None]
"""Called with a stage's name, what is done of it, and its total or `None`; one unit per stage."""

NoteCallback = Callable[[str], None]
"""Called with one sentence that a user should know."""

SECONDS_BETWEEN_CALLS = 0.25

_Item = TypeVar("_Item")


def reported(
    items: Iterable[_Item],
    on_progress: ProgressCallback,
    stage: str,
    total: int | None,
    *,
    num_done: int = 0,
) -> Iterator[_Item]:
    """The items, with a call at the first, then at most four a second, and one at the end.

    Args:
        items: what is left to do.
        on_progress: the callback.
        stage: its name.
        total: of items, those that were done before among them.
        num_done: items that were done before.
    """
    on_progress(stage, num_done, total)
    next_call = time.monotonic() + SECONDS_BETWEEN_CALLS
    for item in items:
        yield item
        num_done += 1
        if time.monotonic() >= next_call:
            on_progress(stage, num_done, total)
            next_call = time.monotonic() + SECONDS_BETWEEN_CALLS
    on_progress(stage, num_done, num_done)


def ignore(*_: object) -> None:
    """Do nothing: the default of every callback, whatever it is called with."""
