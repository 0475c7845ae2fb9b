"""Scores of predictions, by scikit-learn and SciPy, under the names that the field uses.

All are functions of the true and the predicted labels of a split, one-dimensional arrays of one
length, and return a float. Nothing is downloaded.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.errors import missing_package

Labels = NDArray[Any]
"""Class numbers, int64, or scores, float64: [N]."""


def compute_metrics(names: Sequence[str], truth: Labels, predicted: Labels) -> dict[str, float]:
    """Metrics by name.

    A correlation with predictions that do not vary is undefined and counts as 0, as if the
    predictions did not depend on the input. So is one with labels that do not vary, see
    `OF_VARYING_LABELS`.

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


_Metric = Callable[[Labels, Labels], float]


def _of_classes(function: str, **options: Any) -> _Metric:
    """A function of scikit-learn, which is imported when it is called."""

    def metric(truth: Labels, predicted: Labels) -> float:
        try:
            metrics = import_module("sklearn.metrics")
        except ImportError as error:
            what = "scoring a downstream task"
            raise missing_package(what, "scikit-learn", extra="eval") from error
        return float(getattr(metrics, function)(truth, predicted, **options))

    return metric


def _of_scores(function: str) -> _Metric:
    """A correlation of SciPy, which is imported when it is called."""

    def metric(truth: Labels, predicted: Labels) -> float:
        if len(truth) < 2:  # which Pearson's refuses
            return math.nan
        correlation = getattr(import_module("scipy.stats"), function)
        return float(correlation(truth.astype(np.float64), predicted).statistic)

    return metric


CLASSIFICATION: Mapping[str, _Metric] = {
    "accuracy": _of_classes("accuracy_score"),
    "f1": _of_classes("f1_score", pos_label=1, zero_division=0.0),
    "f1_macro": _of_classes("f1_score", average="macro", zero_division=0.0),
    "matthews_correlation": _of_classes("matthews_corrcoef"),
}
"""Metrics of class numbers; `f1` is that of class 1 among two."""

REGRESSION: Mapping[str, _Metric] = {
    "pearson": _of_scores("pearsonr"),
    "spearman": _of_scores("spearmanr"),
}
"""Metrics of scores."""

METRICS: Mapping[str, _Metric] = {**CLASSIFICATION, **REGRESSION}

OF_VARYING_LABELS: frozenset[str] = frozenset({"matthews_correlation", *REGRESSION})
"""Metrics that are undefined, and count as 0 for every model, where all true labels are equal."""
