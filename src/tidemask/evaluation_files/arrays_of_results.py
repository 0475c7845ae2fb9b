"""The arrays beside results: losses sequence by sequence, and predictions of single examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tidemask.errors import UserError
from tidemask.evaluation_files.results import arrays_beside, read_evaluation
from tidemask.files.arrays import Arrays, read_arrays
from tidemask.run_record import FINAL, HELD_OUT_TASK, RunDirectory, SequenceSums
from tidemask.run_record.predictions import Predictions, predictions_by_split

_T = TypeVar("_T")


def kept_arrays(result: Path, sha256: str | None) -> Arrays:
    """The arrays beside a result that names their digest; empty where it names none.

    Raises:
        UserError: they are missing, damaged, or those of another result.
    """
    if sha256 is None:
        return {}
    return read_arrays(arrays_beside(result), sha256, advice=_again(result))


def read_sequence_sums(run: RunDirectory, checkpoint: str = FINAL) -> SequenceSums | None:
    """The held-out losses of a model sequence by sequence; `None` where they were not kept.

    Raises:
        UserError: a file is damaged, or missing beside a result that names it.
    """
    path = run.result(HELD_OUT_TASK, checkpoint)
    return _read_kept(run, path, SequenceSums.from_arrays)


def read_predictions(
    run: RunDirectory, task: str, checkpoint: str = FINAL, seed: int | None = None
) -> dict[str, Predictions]:
    """What a model said of every example of a downstream task, by split.

    Args:
        run: that the result belongs to, or what `--out` named.
        task: such as `sst2`.
        checkpoint: as in the name of the result's file.
        seed: of fine-tuning; `None` for a task without.

    Returns:
        By `dev`, `dev_mismatched` and `test`, those that were scored; by `pairs` for minimal pairs.
        Empty where there is no such result, or it is of a version that kept none.

    Raises:
        UserError: a file is damaged, or missing beside a result that names it.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from tidemask.evaluation_files import read_predictions, write_evaluation
        >>> from tidemask.run_record import RunDirectory
        >>> from tidemask.run_record.predictions import NumberPredictions, of_split
        >>> kept = NumberPredictions(predicted=np.float32([2, 3]), labels=np.array([2.5, 3.0]))
        >>> with tempfile.TemporaryDirectory() as root:
        ...     run = RunDirectory(Path(root))
        ...     _ = write_evaluation(
        ...         run, task="stsb", checkpoint="final", seed=0, metrics={"pearson": 1.0},
        ...         settings={}, arrays=of_split("dev", kept),
        ...     )
        ...     found = read_predictions(run, "stsb", seed=0)["dev"]
        >>> (found.labels - found.predicted).tolist()
        [0.5, 0.0]
    """
    path = run.result(task, checkpoint, seed)
    return _read_kept(run, path, predictions_by_split) or {}


def _read_kept(run: RunDirectory, path: Path, read: Callable[[Arrays], _T]) -> _T | None:
    """What the arrays beside a result hold; `None` without a result, or without arrays."""
    if not path.is_file():
        return None
    arrays = kept_arrays(path, read_evaluation(run, path).arrays_sha256)
    try:
        return read(arrays) if arrays else None
    except ValueError as error:
        raise UserError(
            f"damaged arrays: {arrays_beside(path)}: {error}. {_again(path)}"
        ) from error


def _again(result: Path) -> str:
    """What to do about arrays that are not those of a result: it is measured if it is not there."""
    return f"Delete {result} and evaluate the run again."
