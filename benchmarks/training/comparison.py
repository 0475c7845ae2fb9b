"""What the training benchmark compares: the candidates, their turns, and their rows."""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import matrix_flops
from benchmarks.timing import Timing
from benchmarks.training.data import step_flops, write_corpus
from benchmarks.training.process import TrainingProcess
from tidemask import load_recipe
from tidemask.modeling.precision import has_bf16, usual_device

STOCK, SPARSE, TIDEMASK = "stock Trainer", "stock Trainer, sparse_prediction", "tidemask"
NO_ATTENTION_DROPOUT = "tidemask, attention_dropout 0"
NO_DROPOUT = "tidemask, dropout 0"
COMPILED = "bf16+compile"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One model at one shape, and the candidates that train it.

    Attributes:
        model: a name of `MODEL_SIZES`.
        batch_size: sequences of a step.
        length: tokens of each.
        candidates: group, precision and recipe of each.
        turns: turns of each candidate.
        steps: optimizer steps of a turn.
        max_seconds: no new turn begins after this time, except the first two; `None` for no
            limit.
    """

    model: str
    batch_size: int
    length: int
    candidates: tuple[tuple[str, str, str], ...]
    turns: int
    steps: int
    max_seconds: float | None = None

    @property
    def shape(self) -> str:
        """Sequences x tokens."""
        return f"{self.batch_size}x{self.length}"


_BOTH = ((STOCK, "float32", "bert"), (TIDEMASK, "float32", "bert"))
_DROPOUTS = ((NO_ATTENTION_DROPOUT, "float32", "bert"), (NO_DROPOUT, "float32", "bert"))
_ALL = (
    *_BOTH,
    *_DROPOUTS,
    (TIDEMASK, "float32", "ptw-mrd"),
    (STOCK, "bf16", "bert"),
    (TIDEMASK, "bf16", "bert"),
    (STOCK, COMPILED, "bert"),
    (TIDEMASK, COMPILED, "bert"),
)
_SPARSE = (*_BOTH, *_DROPOUTS, (SPARSE, "float32", "bert"))
CPU = (
    Comparison(model="bert-tiny", batch_size=32, length=128, candidates=_ALL, turns=6, steps=4),
    Comparison(model="bert-mini", batch_size=32, length=128, candidates=_BOTH, turns=6, steps=3),
    Comparison(
        model="modernbert-tiny", batch_size=32, length=128, candidates=_SPARSE, turns=6, steps=3
    ),
)
QUICK = (
    Comparison(
        model="bert-tiny",
        batch_size=32,
        length=128,
        candidates=_BOTH,
        turns=6,
        steps=3,
        max_seconds=15,
    ),
)
_GPU = (
    (STOCK, "bf16", "bert"),
    (STOCK, COMPILED, "bert"),
    (TIDEMASK, "bf16", "bert"),
    (TIDEMASK, COMPILED, "bert"),
    (TIDEMASK, COMPILED, "ptw-mrd"),
)
GPU = (
    Comparison(model="bert-base", batch_size=256, length=128, candidates=_GPU, turns=6, steps=20),
    Comparison(model="bert-base", batch_size=64, length=512, candidates=_GPU, turns=6, steps=20),
)

_PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 operations per second that the makers state."""
_WARM_UP_STEPS = 3
"""The first steps compile, plan kernels and fault in memory."""


def measure(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Return the rows of all candidates of all comparisons."""
    rows = []
    for comparison in map(_without_emulation, comparisons):
        print(f"{comparison.model} at {comparison.shape} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            vocab_size = write_corpus(
                Path(folder), num_sequences=4 * comparison.batch_size, length=comparison.length
            )
            rows += run_comparison(comparison, Path(folder) / "corpus", vocab_size)
    return rows


def _without_emulation(comparison: Comparison) -> Comparison:
    """The same without the candidates in bf16 where the hardware emulates it."""
    if has_bf16(usual_device()):
        return comparison
    quick = tuple(each for each in comparison.candidates if each[1] == "float32")
    return replace(comparison, candidates=quick)


def run_comparison(comparison: Comparison, corpus: Path, vocab_size: int) -> list[dict[str, Any]]:
    """Let all candidates take their turns, in an order drawn for each round.

    Returns:
        One row per candidate: tokens per second by the median step, its quartiles, the ratio to
        the stock Trainer in its usual form (the first candidate), peak memory, arithmetic per
        second, and the shares of the time that masking and loading took, where they are known.
    """
    candidates = [
        TrainingProcess(
            {
                "group": group,
                "precision": precision,
                "recipe": recipe,
                "model": comparison.model,
                "batch_size": comparison.batch_size,
                "length": comparison.length,
                "corpus": str(corpus),
                "logging_steps": comparison.steps,
                "threads": 1,
            }
        )
        for group, precision, recipe in comparison.candidates
    ]
    try:
        for candidate in candidates:
            candidate.wait()
            candidate.turn(_WARM_UP_STEPS)
        _train_in_turns(comparison, candidates)
    finally:
        for candidate in candidates:
            candidate.end()
    return [_row(comparison, candidate, candidates[0], vocab_size) for candidate in candidates]


def _train_in_turns(comparison: Comparison, candidates: list[TrainingProcess]) -> None:
    order = list(candidates)
    shuffled = random.Random(0)
    seconds = math.inf if comparison.max_seconds is None else comparison.max_seconds
    end = time.perf_counter() + seconds
    for turn in range(comparison.turns):
        if turn >= 2 and time.perf_counter() > end:
            break
        shuffled.shuffle(order)
        for candidate in order:
            candidate.peaks.append(matrix_flops())
            candidate.seconds += candidate.turn(comparison.steps)


def _row(
    comparison: Comparison, candidate: TrainingProcess, first: TrainingProcess, vocab_size: int
) -> dict[str, Any]:
    timing = Timing.of(candidate.seconds)
    record = candidate.last["record"]
    flops = step_flops(
        comparison.model,
        vocab_size=vocab_size,
        batch_size=comparison.batch_size,
        length=comparison.length,
        ratio=load_recipe(candidate.spec["recipe"]).masking.ratio(0.0),
    )
    device = candidate.last["device"] or ""
    peak = next((flops for name, flops in _PEAK_FLOPS.items() if name in device), None)
    if not device and candidate.spec["precision"] == "float32":
        peak = median(candidate.peaks)
    use = {} if peak is None else {"flop_utilisation": flops / timing.median / peak}
    return {
        "group": candidate.spec["group"],
        "model": comparison.model,
        "precision": candidate.spec["precision"],
        "recipe": candidate.spec["recipe"],
        "shape": comparison.shape,
        **timing.row(comparison.batch_size * comparison.length),
        "times_stock": median(first.seconds) / timing.median,
        "peak_memory_bytes": candidate.last["peak_bytes"],
        "flops_per_second": flops / timing.median,
        **use,
        **{name: record[name] for name in ("masking_share", "loading_share") if name in record},
    }
