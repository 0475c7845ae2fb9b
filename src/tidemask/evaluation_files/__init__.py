"""Evaluation results as files of a run directory, and the arrays beside them."""

from tidemask.evaluation_files.arrays_of_results import (
    kept_arrays,
    read_predictions,
    read_sequence_sums,
)
from tidemask.evaluation_files.results import (
    Evaluation,
    arrays_beside,
    finite_metrics,
    read_evaluation,
    read_evaluations,
    read_metrics_of,
    set_aside,
    set_aside_results,
    write_evaluation,
)

__all__ = [
    "Evaluation",
    "arrays_beside",
    "finite_metrics",
    "kept_arrays",
    "read_evaluation",
    "read_evaluations",
    "read_metrics_of",
    "read_predictions",
    "read_sequence_sums",
    "set_aside",
    "set_aside_results",
    "write_evaluation",
]
