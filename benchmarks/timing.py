"""A contest of speed: all contestants in turn, many times, so that all meet the same disturbances.

What else the machine does changes from second to second. Contestants that are timed one after the
other are not comparable; those that take turns are, by their medians.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, Literal

import torch
from torch import Tensor

Mode = Literal["alone", "as called"]
"""`alone`: from ids as a tensor to masked ids and labels. `as called`: from the examples of a data
set to the tensors that a model takes."""

_LEAST_ROUNDS = 3
_FREED_BYTES = 31 << 20


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """Something that masks a batch.

    Attributes:
        group: whose code it is.
        policy: what it does.
        mode: from what to what.
        call: masks the batch at the given step; this is timed.
        labels: the labels in what `call` returns, [B, L].
        share: of the maskable tokens that is labelled in expectation; `None` where it is known
            only roughly.
    """

    group: str
    policy: str
    mode: Mode
    call: Callable[[int], Any]
    labels: Callable[[Any], Tensor]
    share: float | None


@dataclass(frozen=True)
class Timing:
    """Seconds per call: quartiles and median over `num_calls` calls."""

    lower: float
    median: float
    upper: float
    num_calls: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """Of single measurements, at least one."""
        if len(seconds) == 1:
            return cls(seconds[0], seconds[0], seconds[0], 1)
        lower, median, upper = quantiles(seconds, n=4, method="inclusive")
        return cls(lower, median, upper, len(seconds))

    def row(self, num_tokens: int) -> dict[str, Any]:
        """As tokens per second, with the slower quartile first."""
        return {
            "tokens_per_second": num_tokens / self.median,
            "quartiles": [num_tokens / self.upper, num_tokens / self.lower],
            "num_calls": self.num_calls,
        }


_TURN_SECONDS = 0.01
_MOST_CALLS = 16


def take_turns(
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    calls: int,
    seconds: float | None = None,
    seed: int = 0,
) -> list[Timing]:
    """Time all contestants, each once per round, in an order that is drawn for each round.

    Args:
        contestants: what to time.
        rounds: turns of each, at least 1.
        calls: least calls per turn, each timed by itself, at least 1 and below 16.
        seconds: no new round begins after this time, but three are made; `None` for no limit.
        seed: of the orders.

    Returns:
        One timing per contestant, in their order. The time includes freeing what was returned.
    """
    measured: list[list[float]] = [[] for _ in contestants]
    order = list(range(len(contestants)))
    shuffled = random.Random(seed)
    keep_freed_memory()
    for contestant in contestants:
        contestant.call(0)  # caches, lazy imports
    begun = time.perf_counter()
    for turn in range(rounds):
        late = seconds is not None and time.perf_counter() - begun > seconds
        if late and turn >= _LEAST_ROUNDS:
            break
        shuffled.shuffle(order)
        gc.collect()
        gc.disable()
        try:
            for index in order:
                _take_turn(contestants[index].call, 1 + turn * _MOST_CALLS, calls, measured[index])
        finally:
            gc.enable()
    return [Timing.of(times) for times in measured]


def _take_turn(call: Callable[[int], Any], step: int, calls: int, times: list[float]) -> None:
    """Some calls in a row, each timed by itself, after one that brings back what the caches held.

    A quick contestant makes more of them: until the turn has taken `_TURN_SECONDS`.
    """
    if not times or times[-1] < _TURN_SECONDS:
        call(step)
    begun = time.perf_counter()
    for number in range(1, _MOST_CALLS):
        start = time.perf_counter()
        call(step + number)
        end = time.perf_counter()
        times.append(end - start)
        if number >= calls and end - begun > _TURN_SECONDS:
            break


def keep_freed_memory() -> None:
    """Let the C library keep freed blocks, as in any process that has trained for a moment.

    Until a block of tens of megabytes has been freed once, glibc hands each freed temporary back to
    the system, and faulting it in again takes longer than masking it.
    """
    torch.empty(_FREED_BYTES, dtype=torch.uint8)


def labelled_shares(contestant: Contestant, maskable: Tensor, *, calls: int) -> list[float]:
    """Share of the maskable positions that each of some calls labels.

    Raises:
        RuntimeError: a position is labelled that is not maskable.
    """
    shares = []
    for step in range(calls):
        labelled = contestant.labels(contestant.call(step)) != -100
        if bool((labelled & ~maskable).any()):
            raise RuntimeError(f"{contestant.group}, {contestant.policy}: labels a special token")
        shares.append(float(labelled.sum() / maskable.sum()))
    return shares
