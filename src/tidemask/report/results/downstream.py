"""One result of a downstream task, and the median and spread of several.

A result is one file of a run's `evaluation/` directory: a task, a checkpoint and, where the model
was fine-tuned, a seed. Tables and figures show the main metric of a task: a fraction is shown times
100, a perplexity or a loss as it is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.evaluation_files import Evaluation
from tidemask.run_record import FINAL, HELD_OUT_TASK

DEV = "dev"
"""The split that a metric is of whose name has no split before it."""

_NOT_FRACTIONS = ("perplexity", "loss", "entropy", "likelihood")
"""Parts of the names of metrics that are not fractions."""

_MIN_SEEDS_FOR_QUARTILES = 5


@dataclass(frozen=True, kw_only=True)
class DownstreamResult:
    """One measurement of a downstream task.

    Attributes:
        task: its name.
        checkpoint: such as `checkpoint-500`, or `START`, `FINAL` or `RANDOM` of `run_record`.
        seed: of the fine-tuning; `None` where there was none.
        metric: the main metric.
        metrics: every metric by name, as it was written.
        learning_rate: of the fine-tuning, chosen from a grid.
        conditions: settings and fingerprints of the data, nested.
        notes: what a reader should know of it.
        seconds: how long it took.
    """

    task: str
    checkpoint: str
    seed: int | None
    metric: str
    metrics: Mapping[str, float]
    learning_rate: float | None
    conditions: Mapping[str, Any]
    notes: tuple[str, ...]
    seconds: float | None

    @property
    def score(self) -> float | None:
        """The main metric as it is shown; `None` if it is undefined for this model."""
        value = self.metrics.get(self.metric)
        scale = display_scale(self.metric)
        if value is None or scale == 1:
            return value
        return round(value * scale, 9)  # 100 x 0.55 is 55, not 55.00000000000001

    @property
    def splits(self) -> tuple[str, ...]:
        """`DEV`, then others that the main metric was measured on, such as `test`."""
        end = f"/{self.metric}"
        return DEV, *(name.removesuffix(end) for name in self.metrics if name.endswith(end))

    def on_split(self, split: str) -> DownstreamResult:
        """The same result with the main metric of one of its splits."""
        return self if split == DEV else replace(self, metric=f"{split}/{self.metric}")


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """The scores of a task over seeds, on the scale on which they are shown.

    Attributes:
        metric: the main metric.
        seeds: those with a score; empty where nothing was fine-tuned.
        median: of the scores; of one score, that score.
        low: the lowest score; `None` for a single score.
        high: the highest score; `None` for a single score.
        quartiles: first and third (by linear interpolation), from five seeds on.
        learning_rates: those that were chosen, lowest first.
    """

    metric: str
    seeds: tuple[int, ...]
    median: float
    low: float | None
    high: float | None
    quartiles: tuple[float, float] | None
    learning_rates: tuple[float, ...]


def checkpoint_order(checkpoint: str) -> float:
    """Order of checkpoints: by step, and the final one after all others."""
    if checkpoint == FINAL:
        return math.inf
    step = checkpoint.rpartition("-")[2]
    return float(step) if step.isdecimal() else -1.0


def display_scale(metric: str) -> float:
    """The factor by which a metric is multiplied to be shown: 100 for fractions, else 1."""
    return 1.0 if any(part in metric for part in _NOT_FRACTIONS) else 100.0


def metric_label(metric: str) -> str:
    """A metric for a reader, with its scale."""
    words = metric.rpartition("/")[2].replace("_", " ")
    return words if display_scale(metric) == 1.0 else f"{words} × 100"


def summarise(results: Sequence[DownstreamResult]) -> ScoreSummary | None:
    """Median and spread of one task at one checkpoint over seeds; `None` without a score."""
    scored = [(result, result.score) for result in results]
    known = [(result, score) for result, score in scored if score is not None]
    if not known:
        return None
    scores = [score for _, score in known]
    rates = {result.learning_rate for result, _ in known}
    quartiles = None
    if len(scores) >= _MIN_SEEDS_FOR_QUARTILES:
        first, _, third = statistics.quantiles(scores, n=4, method="inclusive")
        quartiles = first, third
    return ScoreSummary(
        metric=known[0][0].metric,
        seeds=tuple(sorted(result.seed for result, _ in known if result.seed is not None)),
        median=statistics.median(scores),
        low=min(scores) if len(scores) > 1 else None,
        high=max(scores) if len(scores) > 1 else None,
        quartiles=quartiles,
        learning_rates=tuple(sorted(rate for rate in rates if rate is not None)),
    )


def downstream_result(found: Evaluation) -> DownstreamResult | None:
    """A result as it is shown; `None` if it is not of a downstream task."""
    if found.task == HELD_OUT_TASK or found.main_metric is None:
        return None
    known = {name: finite_number(value) for name, value in found.metrics.items()}
    return DownstreamResult(
        task=found.task,
        checkpoint=found.checkpoint,
        seed=found.seed,
        metric=found.main_metric,
        metrics={name: value for name, value in known.items() if value is not None},
        learning_rate=found.learning_rate,
        conditions={
            name: fields
            for name, fields in (("settings", found.settings), ("data", found.data))
            if fields
        },
        notes=found.notes,
        seconds=found.seconds,
    )


def check_consistent(directory: Path, results: Sequence[DownstreamResult]) -> None:
    """Refuse results of one run that cannot be summarised together.

    Raises:
        UserError: a task has several main metrics.
    """
    metric: dict[str, str] = {}
    for result in results:
        first = metric.setdefault(result.task, result.metric)
        if first != result.metric:
            which = f"{result.task} of {result.checkpoint}"
            raise UserError(
                f"several main metrics: {directory}, {which}: main_metric={result.metric}. "
                f"Expected {first} as in its other results. Delete those of the old version."
            )


def finite_number(value: object) -> float | None:
    """The value as a float if it is a finite number, else `None`; a boolean is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
