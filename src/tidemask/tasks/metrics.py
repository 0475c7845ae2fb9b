"""Scores of predictions, by scikit-learn and SciPy, under the names that the field uses.

All are functions of the true and the predicted labels of a split, one-dimensional arrays of one
length, and return a float. Nothing is downloaded.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.errors import missing_package

Labels = NDArray[Any]
"""Class numbers, int64, or scores, float64: [N]."""


def compute_metrics(names: Sequence[str], truth: Labels, predicted: Labels) -> dict[str, float]:
    """Metrics by name.

    A correlation with predictions that do not vary is undefined and counts as 0, as if the
    predictions did not depend on the input.

    Args:
        names: keys of `METRICS`.
        truth: of the split.
        predicted: in the same order.
    """
    assert truth.shape == predicted.shape, (truth.shape, predicted.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that do not vary: NaN becomes 0 below
        found = {name: METRICS[name](truth, predicted) for name in names}
    return {name: 0.0 if math.isnan(value) else value for name, value in found.items()}


def check_metrics(names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse unknown metrics.

    Raises:
        ValueError: one is not among the known ones, or there is none.
    """
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"metrics={', '.join(unknown) or '[]'}. Expected some of {', '.join(known)}."
        )


def _accuracy(truth: Labels, predicted: Labels) -> float:
    return float(_sklearn().accuracy_score(truth, predicted))


def _f1(truth: Labels, predicted: Labels) -> float:
    return float(_sklearn().f1_score(truth, predicted, pos_label=1, zero_division=0.0))


def _f1_macro(truth: Labels, predicted: Labels) -> float:
    return float(_sklearn().f1_score(truth, predicted, average="macro", zero_division=0.0))


def _matthews_correlation(truth: Labels, predicted: Labels) -> float:
    return float(_sklearn().matthews_corrcoef(truth, predicted))


def _pearson(truth: Labels, predicted: Labels) -> float:
    return _correlation("pearsonr", truth, predicted)


def _spearman(truth: Labels, predicted: Labels) -> float:
    return _correlation("spearmanr", truth, predicted)


def _correlation(name: str, truth: Labels, predicted: Labels) -> float:
    stats = _imported("scipy.stats")
    return float(getattr(stats, name)(truth.astype(np.float64), predicted).statistic)


def _sklearn() -> Any:
    return _imported("sklearn.metrics")


def _imported(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        package = "scipy" if module.startswith("scipy") else "scikit-learn"
        raise missing_package("scoring a downstream task", package, extra="eval") from error


CLASSIFICATION: Mapping[str, Callable[[Labels, Labels], float]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "matthews_correlation": _matthews_correlation,
}
"""Metrics of class numbers; `f1` is that of class 1 among two."""

REGRESSION: Mapping[str, Callable[[Labels, Labels], float]] = {
    "pearson": _pearson,
    "spearman": _spearman,
}
"""Metrics of scores."""

METRICS: Mapping[str, Callable[[Labels, Labels], float]] = {**CLASSIFICATION, **REGRESSION}
