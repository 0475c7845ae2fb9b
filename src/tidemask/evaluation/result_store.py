"""Results of tasks in a run directory: saved by seed, and reused instead of computed again.

A result is reused if the same task was measured with the same settings and data on the same
weights. Any other, and one that is damaged, is moved into `evaluation/replaced/`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tidemask.errors import UserError
from tidemask.evaluation_files import (
    arrays_beside,
    finite_metrics,
    kept_arrays,
    read_evaluation,
    set_aside,
    write_evaluation,
)
from tidemask.files.arrays import Arrays, write_arrays
from tidemask.files.atomic import write_atomically
from tidemask.files.claims import claimed_beside
from tidemask.reading import ANY_LENGTH, read_json
from tidemask.run_record import START, MetricValue, RunDirectory, finite_or_null
from tidemask.system_errors import why_refused
from tidemask.tasks.task import Measured, Task

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_RESULT_BYTES = 1 << 19
"""About the size of the largest result, that of all of BLiMP with its arrays."""


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """The result of a task on one model with one seed.

    Attributes:
        seed: seed of fine-tuning; `None` for a task without fine-tuning.
        metrics: scalars by name.
        notes: what a reader should know of the metrics, one sentence each.
        learning_rate: learning rate of fine-tuning; `None` for a task without fine-tuning.
        is_reused: whether the result was read from a file instead of measured.
        arrays: what the metrics are computed from, example by example; empty where it was read.
    """

    seed: int | None
    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()
    learning_rate: float | None = None
    is_reused: bool = False
    arrays: Arrays = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True)
class ResultStore:
    """The files with the results of one task on one model.

    Attributes:
        run: the run directory that they belong to; `None` saves nothing.
        task: name of the task.
        main_metric: the metric that represents the task in tables.
        checkpoint: name of the measured model within the run.
        settings: description of the task, as plain JSON values.
        model: what tells the model from others, as `ModelUnderTest.identity`.
        versions: versions of the packages that affect a result.
        device: name of the device that measures.
    """

    run: RunDirectory | None
    task: str
    main_metric: str
    checkpoint: str
    settings: Mapping[str, Any]
    model: Mapping[str, str]
    versions: Mapping[str, str]
    device: str = "cpu"

    @classmethod
    def of(
        cls,
        run: RunDirectory | None,
        task: Task,
        checkpoint: str,
        *,
        model: Mapping[str, str],
        model_type: str,
        versions: Mapping[str, str],
        device: str = "cpu",
    ) -> ResultStore:
        """The store of a task's results.

        Args:
            run: the run directory that they belong to; `None` saves nothing.
            task: what is measured.
            checkpoint: name of the measured model within the run.
            model: what tells the model from others, as `ModelUnderTest.identity`.
            model_type: its architecture, by transformers' name.
            versions: versions of the packages that affect a result.
            device: name of the device that measures.

        Raises:
            UserError: the data of the task is missing or damaged.
        """
        return cls(
            run=run,
            task=task.name,
            main_metric=task.main_metric,
            checkpoint=checkpoint,
            settings=json.loads(json.dumps(task.describe(model_type))),
            model=model,
            versions=versions,
            device=device,
        )

    def load(self, seed: int | None) -> SeedResult | None:
        """The saved result of a seed; `None` if there is none, or it was made in another way."""
        if self.run is None:
            return None
        run, path = self.run, self.run.result(self.task, self.checkpoint, seed)

        def read() -> SeedResult | None:
            found = read_evaluation(run, path)
            if not self._matches(found.settings, found.model):
                return None
            return SeedResult(
                seed=seed,
                metrics=self._whole(path, found.metrics),
                notes=(*found.notes, *self._unnamed(path, found.model)),
                learning_rate=found.learning_rate,
                is_reused=True,
            )

        return _unless_damaged(path, read)

    def check_can_save(self) -> None:
        """Check that a result could be written now, before hours of measuring it.

        Raises:
            UserError: the directory cannot be made, or no file in it.
        """
        if self.run is None:
            return
        place = self.run.evaluation
        try:
            place.mkdir(parents=True, exist_ok=True)
            with claimed_beside(place / "result") as aside:
                aside.write_bytes(bytes(_RESULT_BYTES))
        except OSError as error:
            raise UserError(
                f"results cannot be written: {why_refused(error, place)}. Nothing was measured."
            ) from error

    def save(self, result: SeedResult, *, seconds: float, trials: Mapping[float, Measured]) -> None:
        """Save the result of a seed with its trials, and delete the files of the trials."""
        if self.run is None:
            return
        set_aside(self.run.result(self.task, self.checkpoint, result.seed))
        details: dict[str, Any] = {"main_metric": self.main_metric}
        if result.learning_rate is not None:
            details["learning_rate"] = result.learning_rate
            details["trials"] = [
                {"learning_rate": rate, "metrics": finite_or_null(trial.metrics)}
                for rate, trial in trials.items()
            ]
        write_evaluation(
            self.run,
            task=self.task,
            checkpoint=self.checkpoint,
            metrics=result.metrics,
            settings=self.settings,
            seed=result.seed,
            arrays=result.arrays,
            details={
                **details,
                "model": dict(self.model),
                "versions": dict(self.versions),
                "device": self.device,
                "notes": list(result.notes),
                "seconds": round(seconds, 2),
            },
        )
        for rate in trials:
            path = self._trial(result.seed, rate)
            path.unlink(missing_ok=True)
            arrays_beside(path).unlink(missing_ok=True)

    def load_trial(self, seed: int, learning_rate: float) -> Measured | None:
        """The saved score of one learning rate of a grid that was interrupted, or `None`."""
        if self.run is None:
            return None
        path = self._trial(seed, learning_rate)

        def read() -> Measured | None:
            found = read_json(
                path, _Trial, what="evaluation", max_bytes=ANY_LENGTH, may_be_infinite=True
            )
            if not self._matches(found.settings, found.model):
                return None
            arrays = kept_arrays(path, found.arrays_sha256)
            return Measured(self._whole(path, found.metrics), found.notes, arrays)

        return _unless_damaged(path, read)

    def save_trial(self, seed: int, learning_rate: float, measured: Measured) -> None:
        """Save one learning rate's score and predictions until the whole grid is measured."""
        if self.run is None:
            return
        path = self._trial(seed, learning_rate)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = measured.arrays
        content = {
            "metrics": finite_or_null(measured.metrics),
            "notes": list(measured.notes),
            "settings": self.settings,
            "model": dict(self.model),
            "arrays_sha256": write_arrays(arrays_beside(path), arrays) if arrays else None,
        }
        write_atomically(path, json.dumps(content, indent=2) + "\n", what="result")

    def _trial(self, seed: int | None, learning_rate: float) -> Path:
        assert self.run is not None, "callers return early without a run"
        name = self.run.result(self.task, self.checkpoint, seed).stem
        return self.run.evaluation / "trials" / f"{name}--rate-{learning_rate:g}.json"

    def _matches(self, settings: Mapping[str, Any], model: Mapping[str, str]) -> bool:
        """Whether a result was made in this way; earlier versions say less of a model."""
        is_same = all(model.get(name, value) == value for name, value in self.model.items())
        return is_same and settings == self.settings

    def _unnamed(self, path: Path, model: Mapping[str, str]) -> tuple[str, ...]:
        """A note on a result of an earlier version, which does not say what was measured."""
        if "fingerprint" in model or self.checkpoint == START:
            return ()
        return (
            f"{path} is of an earlier version and does not say which weights it was measured on. "
            "If they may have changed, delete it and give the command again.",
        )

    def _whole(self, path: Path, metrics: Mapping[str, MetricValue]) -> Mapping[str, float]:
        """The metrics of a file, if they are finite and the main metric is among them.

        Raises:
            UserError: they are not.
        """
        if self.main_metric not in metrics:
            raise UserError(f"damaged evaluation: {path}: metrics.{self.main_metric} is missing.")
        return finite_metrics(path, metrics)


@dataclass(frozen=True)
class _Trial:
    """The content of the file of a trial."""

    metrics: dict[str, MetricValue]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    model: dict[str, str]
    arrays_sha256: str | None = None


def _unless_damaged(path: Path, read: Callable[[], _T]) -> _T | None:
    """What a file holds; `None` if there is none, or if it is damaged, which is said.

    Raises:
        UserError: something else than a file is in its place, so that no result could be saved.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"not a file: {path}. Expected a result or nothing. Remove it.")
    if not path.is_file():
        return None
    try:
        return read()
    except UserError as error:
        logger.warning("%s Measured again.", error)
        return None
