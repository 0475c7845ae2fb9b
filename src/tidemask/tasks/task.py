"""What a task is: something that is measured of a model, with fine-tuning or without.

Tasks know nothing of runs, checkpoints and files of results; `evaluating.py` brings them together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from tidemask.errors import UserError
from tidemask.progress import ProgressCallback
from tidemask.tasks.model_under_test import ModelUnderTest


@dataclass(frozen=True)
class Measured:
    """What a measurement gave.

    Attributes:
        metrics: scalars by name. Shares and scores are fractions, losses nats.
        notes: what a reader should know of how they came about, one sentence each.
    """

    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()


class Task(Protocol):
    """Something that is measured of a model."""

    @property
    def name(self) -> str:
        """What it is called at the command line and in the files of results."""

    @property
    def main_metric(self) -> str:
        """The metric that stands for the task in tables and figures."""

    def describe(self) -> Mapping[str, Any]:
        """What decides the result beside the model: settings, and the fingerprint of the data.

        Plain nested mappings, as JSON has them. Two results with the same description and the same
        model are the same result.

        Raises:
            UserError: the data is missing or damaged.
        """


@runtime_checkable
class ZeroShotTask(Task, Protocol):
    """A task that the model is measured on as it is."""

    def measure(self, model_under_test: ModelUnderTest, on_progress: ProgressCallback) -> Measured:
        """Measure a model."""


@runtime_checkable
class FineTunedTask(Task, Protocol):
    """A task that the model is fine-tuned on, once for each seed and learning rate."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Each gives one score; their median and spread are reported."""

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """Those that the first seed tries, lowest first; the best of them serves all seeds."""

    def check(self) -> None:
        """Look at the data, as far as it can be done without a model.

        Raises:
            UserError: it is missing or damaged, or does not fit the task.
        """

    def trial(
        self,
        model_under_test: ModelUnderTest,
        *,
        seed: int,
        learning_rate: float,
        on_progress: ProgressCallback,
    ) -> Measured:
        """Fine-tune a fresh copy of a model at one learning rate, and measure it."""

    def release(self) -> None:
        """Let go of what was made of the data; the next trial makes it again."""


class DivergedError(UserError):
    """A fine-tuned model whose outputs are no numbers; a grid passes over its learning rate."""


def check_name(name: str) -> None:
    """Refuse a task's name that cannot be part of a file's.

    Raises:
        ValueError: it has other characters than letters, digits, `.`, `_` and single `-`.
    """
    if not re.fullmatch(r"\w+([.-]\w+)*", name):
        raise ValueError(f"name={name!r}. Expected letters, digits, dots and single hyphens.")
