"""One match of the training benchmark: the contestants' processes, their turns, their rows."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.timing import Timing
from benchmarks.training.data import step_flops
from tidemask import load_recipe

if TYPE_CHECKING:
    from benchmarks.training.speed import Match

_HERE = Path(__file__).resolve().parent
_PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 operations per second that the makers state."""
_WARM_UP_STEPS = 3
"""The first steps compile, plan kernels and fault in memory."""


class Contestant:
    """A process that trains in its turns."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.seconds: list[float] = []
        self.last: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "training_contestant.py"), json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": str(spec["threads"])},
            text=True,
        )

    def wait(self) -> list[float]:
        """The answer to the last command; the first comes after the first step.

        Raises:
            RuntimeError: the process ended without one.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("TURN "):
                self.last = json.loads(line.removeprefix("TURN "))
                return list(self.last["seconds"])
        raise RuntimeError(f"{self.spec['group']} ended: status {self._process.wait()}")

    def turn(self, steps: int) -> list[float]:
        """Make some steps; seconds of each."""
        self._tell(f"go {steps}")
        return self.wait()

    def end(self) -> None:
        """Let the process go."""
        if self._process.poll() is None:
            self._tell("end")
        self._process.wait(timeout=60)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()


def play(match: Match, corpus: Path, vocab_size: int) -> list[dict[str, Any]]:
    """Let all contestants take their turns, in an order drawn for each round.

    Returns:
        One row per contestant: tokens per second by the median step, its quartiles, the ratio to
        the stock Trainer in its usual form (the first contestant), peak memory, arithmetic per
        second, and the shares of the time that masking and loading took, where they are known.
    """
    contestants = [
        Contestant(
            {
                "group": group,
                "precision": precision,
                "recipe": recipe,
                "model": match.model,
                "batch_size": match.batch_size,
                "length": match.length,
                "corpus": str(corpus),
                "logging_steps": match.steps,
                "threads": 1,
            }
        )
        for group, precision, recipe in match.entries
    ]
    try:
        for contestant in contestants:
            contestant.wait()
            contestant.turn(_WARM_UP_STEPS)
        _take_turns(match, contestants)
    finally:
        for contestant in contestants:
            contestant.end()
    return [_row(match, contestant, contestants[0], vocab_size) for contestant in contestants]


def _take_turns(match: Match, contestants: list[Contestant]) -> None:
    order = list(contestants)
    shuffled = random.Random(0)
    begun = time.perf_counter()
    for turn in range(match.turns):
        late = match.seconds is not None and time.perf_counter() - begun > match.seconds
        if late and turn >= 2:
            break
        shuffled.shuffle(order)
        for contestant in order:
            contestant.seconds += contestant.turn(match.steps)


def _row(
    match: Match, contestant: Contestant, first: Contestant, vocab_size: int
) -> dict[str, Any]:
    timing = Timing.of(contestant.seconds)
    record = contestant.last["record"]
    flops = step_flops(
        match.model,
        vocab_size=vocab_size,
        batch_size=match.batch_size,
        length=match.length,
        ratio=load_recipe(contestant.spec["recipe"]).masking.ratio(0.0),
    )
    device = contestant.last["device"] or ""
    peak = next((flops for name, flops in _PEAK_FLOPS.items() if name in device), None)
    use = {} if peak is None else {"flop_utilisation": flops / timing.median / peak}
    return {
        "group": contestant.spec["group"],
        "model": match.model,
        "precision": contestant.spec["precision"],
        "recipe": contestant.spec["recipe"],
        "shape": match.shape,
        **timing.row(match.batch_size * match.length),
        "times_stock": median(first.seconds) / timing.median,
        "peak_memory_bytes": contestant.last["peak_bytes"],
        "flops_per_second": flops / timing.median,
        **use,
        **{name: record[name] for name in ("masking_share", "loading_share") if name in record},
    }
