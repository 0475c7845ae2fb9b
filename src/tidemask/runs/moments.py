"""The moments of a run at which a preview shows a policy: each side of where it changes at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import NamedTuple

from tidemask.masking.policy import MaskingSettings

_USUAL = (0.0, 0.5, 1.0)


class Moment(NamedTuple):
    """A progress in [0, 1], and a note on why it is shown."""

    progress: float
    note: str = ""


def moments_of(masking: MaskingSettings, num_steps: int) -> list[Moment]:
    """Beginning, middle and end of a run, and the last and the first step around each border.

    A border is where a phase ends: of the policy, or of the schedule of a ratio or of a share.

    Args:
        masking: the policy.
        num_steps: planned optimizer steps.

    Example:
        >>> from tidemask import load_recipe
        >>> moments = moments_of(load_recipe("ankner-step").masking, 1000)
        >>> [(moment.progress, moment.note) for moment in moments][1]
        (0.499, 'the last step before the border at 0.5')
        >>> [moment.progress for moment in moments_of(load_recipe("bert").masking, 1000)]
        [0.0, 0.5, 1.0]
    """
    found = {progress: Moment(progress) for progress in _USUAL}
    for border in sorted(set(_borders(masking))):
        first = _first_step_from(border, num_steps)
        before, after = (first - 1) / num_steps, first / num_steps
        if first > 0:
            found[before] = Moment(before, f"the last step before the border at {border:g}")
        found[after] = Moment(after, f"the first step after the border at {border:g}")
    return [found[progress] for progress in sorted(found)]


def _borders(value: object) -> Iterator[float]:
    """Where the phases within some settings end, the end of the run left out."""
    if isinstance(value, tuple):
        for each in value:
            yield from _borders(each)
    elif is_dataclass(value):
        until = getattr(value, "until", 1.0)
        if until < 1.0:
            yield until
        for each in fields(value):
            yield from _borders(getattr(value, each.name))


def _first_step_from(border: float, num_steps: int) -> int:
    """The first step whose progress, as training computes it, is not below the border."""
    step = max(0, math.floor(border * num_steps) - 1)
    while step / num_steps < border:
        step += 1
    return step
