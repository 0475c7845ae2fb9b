"""Results as JSON files of `evaluation/`: written whole, read with their types, moved aside."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemask.errors import UserError
from tidemask.files.arrays import Arrays, write_arrays
from tidemask.files.atomic import write_atomically
from tidemask.reading import ANY_LENGTH, read_bytes, read_json
from tidemask.run_record import MetricValue, RunDirectory, finite_or_null

_ADVICE = "Delete the file and evaluate the run again."


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The content of a file of `evaluation/`; fields that only `ResultStore` needs are its own.

    Attributes:
        task: its name, such as `held-out`.
        checkpoint: such as `checkpoint-500`, or `START`, `FINAL` or `RANDOM` of `run_record`.
        metrics: scalars by name; `None` or NaN where they are undefined.
        settings: what was evaluated how; enough to do it again.
        seed: of fine-tuning, where the task has several.
        main_metric: that of a downstream task; `None` for a result of training.
        learning_rate: of fine-tuning, chosen from a grid.
        data: fingerprints of the data, where they are not among the settings.
        model: the fingerprint of the model, where it is known.
        notes: what a reader should know of the metrics, one sentence each.
        seconds: how long it took.
        arrays_sha256: of the file of arrays beside this one; `None` where there is none.
    """

    task: str
    checkpoint: str
    metrics: dict[str, MetricValue]
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    main_metric: str | None = None
    learning_rate: float | None = None
    data: dict[str, Any] = field(default_factory=dict)
    model: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    arrays_sha256: str | None = None


def read_evaluation(run: RunDirectory, path: Path) -> Evaluation:
    """The evaluation result in a file.

    Raises:
        UserError: the file is damaged, a field is missing or of another type, or it holds the
            result that another file should hold.
    """
    found = read_json(
        path,
        Evaluation,
        what="evaluation",
        advice=_ADVICE,
        max_bytes=ANY_LENGTH,
        may_be_infinite=True,
    )
    expected = run.result(found.task, found.checkpoint, found.seed).name
    if path.name != expected:
        raise UserError(
            f"damaged evaluation: {path}: it holds what belongs into {expected}. {_ADVICE}"
        )
    if found.main_metric is not None and found.main_metric not in found.metrics:
        raise UserError(
            f"damaged evaluation: {path}: main_metric={found.main_metric!r}. Expected one of the "
            f"metrics. {_ADVICE}"
        )
    return found


def read_evaluations(run: RunDirectory) -> list[Evaluation]:
    """Every evaluation result of a run, in the order of the files' names.

    Raises:
        UserError: a file is damaged.
    """
    return [read_evaluation(run, path) for path in sorted(run.evaluation.glob("*.json"))]


def set_aside(path: Path) -> None:
    """Move a result that holds no more into `replaced/` beside it; nothing happens without one."""
    if not path.is_file():
        return
    digest = hashlib.sha256(read_bytes(path, ANY_LENGTH, "damaged result")).hexdigest()[:8]
    replaced = path.parent / "replaced" / f"{path.stem}--{digest}.json"
    replaced.parent.mkdir(exist_ok=True)
    if arrays_beside(path).is_file():
        arrays_beside(path).replace(arrays_beside(replaced))
    path.replace(replaced)


def arrays_beside(result: Path) -> Path:
    """The file of a result's arrays: sums by sequence, or predictions of single examples."""
    return result.with_suffix(".npz")


def set_aside_results(run: RunDirectory, is_stale: Callable[[Evaluation], bool]) -> int:
    """Move those results of a run aside that hold no more; returns how many.

    Damaged ones stay: who reads them says what is wrong.
    """
    number = 0
    for path in sorted(run.evaluation.glob("*.json")):
        with suppress(UserError):
            if is_stale(read_evaluation(run, path)):
                set_aside(path)
                number += 1
    return number


def read_metrics_of(
    run: RunDirectory, task: str, checkpoint: str, *, needed: Sequence[str] = ()
) -> dict[str, float] | None:
    """The metrics of an evaluation of a run, all of them finite; `None` if there is none.

    Args:
        run: that was evaluated.
        task: such as `held-out`.
        checkpoint: as in the name of the result's file.
        needed: names of metrics without which the caller cannot go on.

    Raises:
        UserError: the file is damaged, or a metric is not a finite number, or missing.
    """
    path = run.result(task, checkpoint)
    if not path.is_file():
        return None
    metrics = finite_metrics(path, read_evaluation(run, path).metrics)
    for name in needed:
        if name not in metrics:
            raise UserError(f"damaged evaluation: {path}: metrics.{name} is missing. {_ADVICE}")
    return metrics


def finite_metrics(path: Path, metrics: Mapping[str, MetricValue]) -> dict[str, float]:
    """The metrics of a file, if all of them are finite numbers.

    Raises:
        UserError: names the first that is not.
    """
    found: dict[str, float] = {}
    for name, value in metrics.items():
        if value is None or not math.isfinite(value):
            raise UserError(
                f"damaged evaluation: {path}: metrics.{name}={json.dumps(value)}. Expected a "
                f"finite number. {_ADVICE}"
            )
        found[name] = value
    return found


def write_evaluation(
    run: RunDirectory,
    *,
    task: str,
    checkpoint: str,
    metrics: Mapping[str, MetricValue],
    settings: Mapping[str, Any],
    seed: int | None = None,
    details: Mapping[str, Any] | None = None,
    arrays: Arrays | None = None,
    then: str = "give the command again",
) -> Path:
    """Write one evaluation result; returns its path.

    Args:
        run: the run it belongs to.
        task: name of the task, such as `held-out`.
        checkpoint: `START`, `FINAL`, or the name of a checkpoint directory.
        metrics: scalars by name; null is written for one that is not finite, as in
            `metrics.jsonl`.
        settings: what was evaluated how; enough to do it again.
        seed: of fine-tuning, where the task has several.
        details: further fields of the file, such as `main_metric`, `versions` and `notes`.
        arrays: kept in a file beside it, which is written first; the result names its digest.
        then: how to go on once there is room for it, where it could not be written.
    """
    run.evaluation.mkdir(parents=True, exist_ok=True)
    path = run.result(task, checkpoint, seed)
    named = {}
    if arrays:
        named = {"arrays_sha256": write_arrays(arrays_beside(path), arrays, then=then)}
    content = {
        "task": task,
        "checkpoint": checkpoint,
        **({} if seed is None else {"seed": seed}),
        "metrics": finite_or_null(metrics),
        "settings": dict(settings),
        **named,
        **(details or {}),
    }
    write_atomically(path, json.dumps(content, indent=2) + "\n", what="result", then=then)
    return path
