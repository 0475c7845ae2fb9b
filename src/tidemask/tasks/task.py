"""What a task is: a measurement of a model, with fine-tuning or without.

Tasks know nothing of runs, checkpoints and files of results; the package `evaluation` brings them
together. A fine-tuned task is a `FineTunedTask`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from tidemask.errors import UserError
from tidemask.files.arrays import Arrays
from tidemask.progress import ProgressCallback
from tidemask.tasks.model_under_test import ModelUnderTest


@dataclass(frozen=True)
class Measured:
    """The result of a measurement.

    Attributes:
        metrics: scalars by name. Shares and scores are fractions, losses are in nats.
        notes: what a reader should know of how they came about, one sentence each.
        arrays: what the metrics are computed from, example by example; kept beside them.
    """

    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()
    arrays: Arrays = field(default_factory=dict, compare=False)


class Task(Protocol):
    """A measurement of a model."""

    @property
    def name(self) -> str:
        """Its name at the command line and in the files of results."""

    @property
    def main_metric(self) -> str:
        """The metric that stands for the task in tables and figures."""

    def describe(self, model_type: str) -> Mapping[str, Any]:
        """What decides the result beside the model: settings, and the fingerprint of the data.

        The mappings are plain and nested, as in JSON. Two results with the same description and
        the same model are the same result.

        Args:
            model_type: the architecture, by transformers' name, which decides what precision
                `auto` means.

        Raises:
            UserError: the data is missing or damaged.
        """


class TaskWithData(Task, Protocol):
    """A task whose data is its own, not that of a prepared corpus."""

    def check(self) -> None:
        """Check the data, as far as it can be done without a model.

        Raises:
            UserError: it is missing or damaged, or does not fit the task.
        """


@runtime_checkable
class ZeroShotTask(Task, Protocol):
    """A task that measures the model as it is, without fine-tuning."""

    def measure(self, model_under_test: ModelUnderTest, on_progress: ProgressCallback) -> Measured:
        """Measure a model."""


class DivergedError(UserError):
    """A fine-tuned model's outputs are not finite; a grid skips its learning rate."""


def check_name(name: str) -> None:
    """Refuse a task's name that cannot be part of a file name.

    Raises:
        ValueError: it has other characters than letters, digits, `.`, `_` and single `-`.
    """
    if not re.fullmatch(r"\w+([.-]\w+)*", name):
        raise ValueError(f"name={name!r}. Expected letters, digits, dots and single hyphens.")
