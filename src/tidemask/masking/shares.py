"""Shares of the parts of a mixture: numbers or schedules that add up to 1 at any progress."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tidemask.masking.schedule import Cyclic, Phases, Schedule, WarmupLinear, ratio_at
from tidemask.settings import check_share

Share = float | Schedule
"""A number in [0, 1], or a schedule over progress, whose ratios are shares then."""

_POINTS = 100
_TOLERANCE = 1e-6
_MAX_CYCLES = 1000
"""Cycles after which no more are looked at: they are all alike."""


def check_shares(shares: Sequence[Share], name: str) -> None:
    """Refuse shares that do not add up to 1 somewhere in the run.

    They are added up at `points_of` the run.

    Args:
        shares: of the parts of a mixture.
        name: what the message calls the parts.

    Raises:
        ValueError: there is no part, a share is outside [0, 1], or they add up to another sum; the
            message names the progress.
    """
    if not shares:
        raise ValueError(f"{name}=[]. Expected at least one part.")
    numbers = [share for share in shares if isinstance(share, int | float)]
    if len(numbers) == len(shares) and math.isclose(sum(numbers), 100):
        listed, meant = (" + ".join(f"{share / of:g}" for share in numbers) for of in (1, 100))
        raise ValueError(
            f"{name}: the shares {listed} add up to 100. Expected shares that add up to 1. Did you "
            f"mean {meant}?"
        )
    for number, share in enumerate(shares):
        if isinstance(share, int | float):
            check_share(f"{name}.{number}.share", share)
    for progress in points_of(shares):
        at = shares_at(shares, progress)
        if not math.isclose(sum(at), 1.0, abs_tol=_TOLERANCE):
            listed = " + ".join(f"{share:g}" for share in at)
            raise ValueError(
                f"{name}: the shares {listed} add up to {sum(at):g} at progress {progress:g}. "
                "Expected shares that add up to 1."
            )


def points_of(shares: Sequence[Share]) -> list[float]:
    """Where in the run shares are looked at, so that nothing is found out while it trains.

    At 101 points of progress, and on both sides of each jump and each corner of a schedule. If none
    is a schedule, at 0 alone.

    Example:
        >>> from tidemask.masking.schedule import Phase, Phases
        >>> late = Phases(phases=(Phase(until=0.999, ratio=0.0), Phase(until=1.0, ratio=1.0)))
        >>> [round(point, 4) for point in points_of([0.5, late])[-4:]]
        [0.999, 0.999, 1.0, 1.0]
    """
    schedules = [share for share in shares if not isinstance(share, int | float)]
    if not schedules:
        return [0.0]
    points = {point / _POINTS for point in range(_POINTS + 1)}
    for schedule in schedules:
        for corner in _corners(schedule, 0.0, 1.0):
            points |= {math.nextafter(corner, 0.0), min(1.0, corner)}
    return sorted(points)


def _corners(schedule: Schedule, begin: float, end: float) -> Iterator[float]:
    """Where a schedule that fills the run from `begin` to `end` jumps or turns."""
    if isinstance(schedule, WarmupLinear):
        yield begin + schedule.warmup * (end - begin)
    elif isinstance(schedule, Cyclic):
        for cycle in range(1, min(schedule.cycles, _MAX_CYCLES)):
            yield begin + cycle / schedule.cycles * (end - begin)
    elif isinstance(schedule, Phases):
        for phase in schedule.phases:
            yield phase.until
            if not isinstance(phase.ratio, int | float):
                yield from _corners(phase.ratio, begin, phase.until)
            begin = phase.until


def shares_at(shares: Sequence[Share], progress: float) -> list[float]:
    """The share of each part at `progress` in [0, 1]."""
    return [ratio_at(share, progress) for share in shares]
