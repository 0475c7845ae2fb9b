"""Scores against their formulas, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemask.tasks.metrics import METRICS, check_metrics, compute_metrics

TWO = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)
THREE = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)
NUMBERS = st.lists(
    st.tuples(st.integers(-5, 5).map(float), st.integers(-5, 5).map(float)),
    min_size=2, max_size=30,
)  # fmt: skip


def _columns(pairs: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])


def _f1(pairs: list[tuple[int, int]], label: int) -> float:
    hits = sum(a == b == label for a, b in pairs)
    named = sum(a == label for a, _ in pairs) + sum(b == label for _, b in pairs)
    return 2 * hits / named if named else 0.0


@given(TWO)
def test_metrics_of_two_classes(pairs: list[tuple[int, int]]) -> None:
    found = compute_metrics(["accuracy", "f1", "matthews_correlation"], *_columns(pairs))
    tp, tn = sum(p == (1, 1) for p in pairs), sum(p == (0, 0) for p in pairs)
    fp, fn = sum(p == (0, 1) for p in pairs), sum(p == (1, 0) for p in pairs)
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert found["accuracy"] == pytest.approx((tp + tn) / len(pairs))
    assert found["f1"] == pytest.approx(_f1(pairs, 1))
    expected = (tp * tn - fp * fn) / below if below else 0.0
    assert found["matthews_correlation"] == pytest.approx(expected)


@given(THREE)
def test_metrics_macro_f1_is_the_mean_over_the_classes_that_occur(
    pairs: list[tuple[int, int]],
) -> None:
    labels = {label for pair in pairs for label in pair}
    expected = sum(_f1(pairs, label) for label in labels) / len(labels)
    assert compute_metrics(["f1_macro"], *_columns(pairs))["f1_macro"] == pytest.approx(expected)


def _correlation(a: list[float], b: list[float]) -> float:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    above = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    below = sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)
    return above / math.sqrt(below) if below else 0.0


def _ranks(values: list[float]) -> list[float]:
    """1 for the smallest; equal values share the mean of their ranks."""
    return [
        sum(other < value for other in values) + (sum(o == value for o in values) + 1) / 2
        for value in values
    ]


@given(NUMBERS)
def test_metrics_correlations(pairs: list[tuple[float, float]]) -> None:
    truth, predicted = _columns(pairs)
    found = compute_metrics(["pearson", "spearman"], truth, predicted)
    a, b = truth.tolist(), predicted.tolist()
    assert found["pearson"] == pytest.approx(_correlation(a, b), abs=1e-9)
    assert found["spearman"] == pytest.approx(_correlation(_ranks(a), _ranks(b)), abs=1e-9)


@pytest.mark.parametrize("truth", [[2.5], [1.0, 1.0, 1.0]])
def test_metrics_correlations_with_labels_that_do_not_vary_are_zero(truth: list[float]) -> None:
    predicted = np.arange(len(truth)) / 3
    found = compute_metrics(["pearson", "spearman"], np.array(truth), predicted)
    assert found == {"pearson": 0.0, "spearman": 0.0}


def test_metrics_are_named_where_one_is_unknown() -> None:
    with pytest.raises(ValueError, match=r"metrics=bleu. Expected some of accuracy"):
        check_metrics(["accuracy", "bleu"], list(METRICS))
    with pytest.raises(ValueError, match=r"metrics=\[\]"):
        check_metrics([], list(METRICS))
