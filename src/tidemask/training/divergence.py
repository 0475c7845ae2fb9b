"""What is said when a run cannot go on because a number is not finite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tidemask.errors import UserError

_NAMED = 8
"""Samples that are named; of more, how many."""


def not_finite(
    what: str,
    value: float,
    *,
    step: int,
    samples: Sequence[int],
    rows: Sequence[int],
    checkpoint: Path | None,
) -> UserError:
    """The error of a loss, a gradient or a weight that is infinite or no number.

    Args:
        what: its name.
        value: what it is.
        step: the 0-based optimizer step that found it.
        samples: numbers, in the endless stream, of the samples it was computed from; may be empty.
        rows: the row of the training split that each of them is.
        checkpoint: the last one, saved while all was finite; `None` if there is none yet.
    """
    last = "no checkpoint was saved yet" if checkpoint is None else f"the last good is {checkpoint}"
    return UserError(
        f"{what} is not finite: {value} at step {step}{_origin(samples, rows)}; {last}. "
        "Start again with a lower training.learning_rate, or look at the text of these rows."
    )


def _origin(samples: Sequence[int], rows: Sequence[int]) -> str:
    if not samples:
        return ""
    return f", samples {_listed(samples)} (rows {_listed(rows)} of the training split)"


def _listed(numbers: Sequence[int]) -> str:
    named = ", ".join(str(number) for number in numbers[:_NAMED])
    more = len(numbers) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
