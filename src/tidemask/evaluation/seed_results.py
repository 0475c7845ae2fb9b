"""The results of a task on one model: saved ones are reused, missing ones are measured.

The learning rate of a fine-tuned task is chosen by its first seed, which tries every rate of the
grid on the dev split; the other seeds train at that one. The literature chooses on dev too (Devlin
et al. 2019), so dev scores are all chosen a little; equally for every model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tidemask.errors import UserError
from tidemask.evaluation.result_store import ResultStore, SeedResult
from tidemask.progress import ProgressCallback
from tidemask.tasks.fine_tuned_task import FineTunedTask
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.task import DivergedError, Measured, Task, ZeroShotTask


def seed_results(
    task: Task, model_under_test: ModelUnderTest, store: ResultStore, on_progress: ProgressCallback
) -> Iterator[SeedResult]:
    """Yield each result of a task on a model when it is there; one per seed, or one in all.

    Args:
        task: zero-shot or fine-tuned.
        model_under_test: the model.
        store: where results are loaded from and saved.
        on_progress: called with the stage of a measurement.

    Raises:
        UserError: data and model do not fit the task.
    """
    if isinstance(task, FineTunedTask):
        yield from _fine_tuned(task, model_under_test, store, on_progress)
        return
    assert isinstance(task, ZeroShotTask), task
    saved = store.load(None)
    if saved is not None:
        yield saved
        return
    store.check_can_save()
    begun = time.perf_counter()
    measured = _with_notes(task.measure(model_under_test, on_progress), model_under_test)
    result = SeedResult(
        seed=None, metrics=measured.metrics, notes=measured.notes, arrays=measured.arrays
    )
    yield from _saved(store, result, begun, {})


def _saved(
    store: ResultStore, result: SeedResult, begun: float, trials: Mapping[float, Measured]
) -> Iterator[SeedResult]:
    """Save a result and yield it; one that cannot be saved is yielded before the error."""
    try:
        store.save(result, seconds=time.perf_counter() - begun, trials=trials)
    except (UserError, OSError):
        yield result
        raise
    yield result


def _fine_tuned(
    task: FineTunedTask[Any],
    model_under_test: ModelUnderTest,
    store: ResultStore,
    on_progress: ProgressCallback,
) -> Iterator[SeedResult]:
    rate: float | None = None
    for number, seed in enumerate(task.seeds):
        result = store.load(seed)
        if result is not None:
            yield result
        else:
            store.check_can_save()
            begun = time.perf_counter()
            rates = task.learning_rates if rate is None else (rate,)
            label = f"seed {number + 1} of {len(task.seeds)}"

            def on_seed(stage: str, done: int, of: int | None, label: str = label) -> None:
                on_progress(f"{label}, {stage}", done, of)

            result, trials = _one_seed(task, model_under_test, store, seed, rates, on_seed)
            yield from _saved(store, result, begun, trials)
        rate = result.learning_rate


def _one_seed(
    task: FineTunedTask[Any],
    model_under_test: ModelUnderTest,
    store: ResultStore,
    seed: int,
    rates: tuple[float, ...],
    on_progress: ProgressCallback,
) -> tuple[SeedResult, dict[float, Measured]]:
    """Measure a seed at some learning rates: the result, that of the best; and all of them."""
    trials: dict[float, Measured] = {}
    notes: list[str] = []
    for rate in rates:
        measured = store.load_trial(seed, rate)
        if measured is None:
            try:
                measured = task.trial(
                    model_under_test, seed=seed, learning_rate=rate, on_progress=on_progress
                )
                measured = _with_notes(measured, model_under_test)
            except DivergedError:
                if len(trials) == 0 and rate == rates[-1]:
                    raise
                notes.append(f"The model diverged at the learning rate {rate:g}.")
                continue
            if len(rates) > 1:
                store.save_trial(seed, rate, measured)
        trials[rate] = measured
    best = best_rate({rate: trial.metrics[task.main_metric] for rate, trial in trials.items()})
    result = SeedResult(
        seed=seed,
        metrics=trials[best].metrics,
        notes=(*trials[best].notes, *notes),
        learning_rate=best,
        arrays=trials[best].arrays,
    )
    return result, trials


def _with_notes(measured: Measured, model_under_test: ModelUnderTest) -> Measured:
    return replace(measured, notes=(*model_under_test.notes, *measured.notes))


def best_rate(scores: dict[float, float]) -> float:
    """The learning rate with the highest score, the lowest of equals; NaN is the worst score."""
    return min(scores, key=lambda rate: (-_or_worst(scores[rate]), rate))


def _or_worst(score: float) -> float:
    return -math.inf if math.isnan(score) else score
