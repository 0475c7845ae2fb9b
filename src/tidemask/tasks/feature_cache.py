"""What every fine-tuned task has in common: its grid, and features that several trials share.

A task's data becomes features once for each tokenizer and length, not once for each seed, learning
rate and checkpoint. They are the largest thing an evaluation holds, so a task keeps those of one
model at a time, and lets go of them when its last model is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.model_under_test import ModelUnderTest

Features = TypeVar("Features")


class KeepsFeatures(Generic[Features]):
    """A fine-tuned task that makes its features from the data and the tokenizer of a model.

    Args:
        fine_tuning: how models are trained on it.
    """

    def __init__(self, fine_tuning: FineTuneSettings) -> None:
        self.fine_tuning = fine_tuning
        self.seeds, self.learning_rates = fine_tuning.seeds, fine_tuning.learning_rates
        self._last: tuple[Hashable, Features] | None = None

    def release(self) -> None:
        """Let go of the features; the next trial makes them again."""
        self._last = None

    def features(
        self, model_under_test: ModelUnderTest, make: Callable[[], Features], *terms: Hashable
    ) -> Features:
        """The features as a model reads them: those of the last model if it reads alike.

        Args:
            model_under_test: the model.
            make: makes them.
            terms: what they depend on beside the tokenizer and the length of the model.
        """
        key = model_under_test.tokenizer_fingerprint, model_under_test.max_length, *terms
        if self._last is None or self._last[0] != key:
            self._last = None  # the old ones go before the new ones come
            self._last = key, make()
        return self._last[1]
