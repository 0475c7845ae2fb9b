"""One task on one model: what is there is kept, what is missing is measured.

The learning rate of a fine-tuned task is chosen by its first seed, which tries every rate of the
grid on the dev split; the other seeds train at that one. The literature chooses on dev too (Devlin
et al. 2019), so dev scores are all chosen a little; equally for every model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from tidemask.evaluation.results import Result, Shelf
from tidemask.progress import ProgressCallback
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.task import DivergedError, FineTunedTask, Measured, Task, ZeroShotTask


def results_of(
    task: Task, model_under_test: ModelUnderTest, shelf: Shelf, on_progress: ProgressCallback
) -> Iterator[Result]:
    """Each result of a task on a model, once it is there; one per seed, or one in all.

    Args:
        task: zero-shot or fine-tuned.
        model_under_test: the model.
        shelf: where results are found and kept.
        on_progress: told what goes on.

    Raises:
        UserError: data and model do not fit the task.
    """
    if isinstance(task, FineTunedTask):
        yield from _fine_tuned(task, model_under_test, shelf, on_progress)
        return
    assert isinstance(task, ZeroShotTask), task
    kept = shelf.find(None)
    if kept is not None:
        yield kept
        return
    begun = time.perf_counter()
    measured = task.measure(model_under_test, on_progress)
    result = Result(seed=None, metrics=measured.metrics, notes=measured.notes)
    shelf.put(result, seconds=time.perf_counter() - begun, trials={})
    yield result


def _fine_tuned(
    task: FineTunedTask,
    model_under_test: ModelUnderTest,
    shelf: Shelf,
    on_progress: ProgressCallback,
) -> Iterator[Result]:
    rate: float | None = None
    for number, seed in enumerate(task.seeds):
        kept = shelf.find(seed)
        if kept is None:
            rates = task.learning_rates if rate is None else (rate,)
            kept = _seed(
                task, model_under_test, shelf, seed, rates, _numbered(on_progress, task, number)
            )
        rate = kept.learning_rate
        yield kept


def _seed(
    task: FineTunedTask,
    model_under_test: ModelUnderTest,
    shelf: Shelf,
    seed: int,
    rates: tuple[float, ...],
    on_progress: ProgressCallback,
) -> Result:
    """The result of a seed: that of the best of some learning rates."""
    begun = time.perf_counter()
    trials: dict[float, Measured] = {}
    notes: list[str] = []
    for rate in rates:
        measured = shelf.find_trial(seed, rate)
        if measured is None:
            try:
                measured = task.trial(
                    model_under_test, seed=seed, learning_rate=rate, on_progress=on_progress
                )
            except DivergedError:
                if len(trials) == 0 and rate == rates[-1]:
                    raise
                notes.append(f"The model diverged at the learning rate {rate:g}.")
                continue
            if len(rates) > 1:
                shelf.put_trial(seed, rate, measured)
        trials[rate] = measured
    best = best_rate({rate: trial.metrics[task.main_metric] for rate, trial in trials.items()})
    result = Result(
        seed=seed,
        metrics=trials[best].metrics,
        notes=(*trials[best].notes, *notes),
        learning_rate=best,
    )
    shelf.put(result, seconds=time.perf_counter() - begun, trials=trials)
    return result


def best_rate(scores: dict[float, float]) -> float:
    """The learning rate with the highest score; the lowest of several, and no number is worst."""
    return min(scores, key=lambda rate: (-_or_worst(scores[rate]), rate))


def _or_worst(score: float) -> float:
    return -math.inf if math.isnan(score) else score


def _numbered(on_progress: ProgressCallback, task: FineTunedTask, number: int) -> ProgressCallback:
    """Progress that names the seed."""

    def told(stage: str, done: int, total: int | None) -> None:
        on_progress(f"seed {number + 1} of {len(task.seeds)}, {stage}", done, total)

    return told
