"""Timing in turns: all candidates, again and again, so that all meet the same disturbances.

What else the machine does changes from second to second. Candidates that are timed one after the
other are not comparable; those that take turns are, by their medians. Times are those that the
calling thread had a core, so that other processes do not count, but for what they leave in caches.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from tidemask.processes import keep_freed_memory

_MIN_ROUNDS = 3
_MIN_TURN_SECONDS = 0.01
_MAX_CALLS = 16


@dataclass(frozen=True)
class Timing:
    """Seconds of a core per call: quartiles and median over `num_calls` calls."""

    lower: float
    median: float
    upper: float
    num_calls: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """Summarise single measurements, at least one."""
        if len(seconds) == 1:
            return cls(seconds[0], seconds[0], seconds[0], 1)
        lower, median, upper = quantiles(seconds, n=4, method="inclusive")
        return cls(lower, median, upper, len(seconds))

    def row(self, amount: int, unit: str = "tokens") -> dict[str, Any]:
        """Give the speed in units per second for calls that process `amount` of them.

        The slower quartile comes first.
        """
        return {
            f"{unit}_per_second": amount / self.median,
            "quartiles": [amount / self.upper, amount / self.lower],
            "num_calls": self.num_calls,
        }


def time_in_turns(
    calls: Sequence[Callable[[int], object]],
    *,
    rounds: int,
    calls_per_turn: int = 1,
    max_seconds: float | None = None,
    seed: int = 0,
) -> list[Timing]:
    """Time all candidates, each once per round, in an order that is drawn for each round.

    Args:
        calls: one function per candidate; it is called with a number that grows, such as a step.
        rounds: turns of each, at least 1.
        calls_per_turn: minimum of calls in a turn, each timed by itself, at least 1 and below 16.
        max_seconds: no new round begins after this time, except the first three; `None` for no
            limit.
        seed: seed of the orders.

    Returns:
        One timing per candidate, in their order. The time includes freeing what was returned.
    """
    seconds: list[list[float]] = [[] for _ in calls]
    order = list(range(len(calls)))
    rng = random.Random(seed)
    keep_freed_memory()
    for call in calls:
        call(0)  # caches, lazy imports
    begun = time.perf_counter()
    for turn in range(rounds):
        late = max_seconds is not None and time.perf_counter() - begun > max_seconds
        if late and turn >= _MIN_ROUNDS:
            break
        rng.shuffle(order)
        gc.collect()
        gc.disable()
        try:
            for index in order:
                _time_turn(calls[index], 1 + turn * _MAX_CALLS, calls_per_turn, seconds[index])
        finally:
            gc.enable()
    return [Timing.of(times) for times in seconds]


def _time_turn(
    call: Callable[[int], object], step: int, calls_per_turn: int, times: list[float]
) -> None:
    """Append the seconds of some calls in a row to `times`.

    A quick candidate has one call before them that is not timed, since the caches hold what the
    candidate before left there, and it makes more of them: until the turn has taken
    `_MIN_TURN_SECONDS`.
    """
    if not times or times[-1] < _MIN_TURN_SECONDS:
        call(step)
    begun = time.thread_time()
    for number in range(1, _MAX_CALLS):
        start = time.thread_time()
        call(step + number)
        end = time.thread_time()
        times.append(end - start)
        if number >= calls_per_turn and end - begun > _MIN_TURN_SECONDS:
            break
