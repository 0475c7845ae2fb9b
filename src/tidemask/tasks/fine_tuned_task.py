"""What all fine-tuned tasks share: the grid, the features, and a trial from fine-tuning to scores.

A subclass adds what differs: the data, its features, the head, the padding of batches, the scores.

A task's data becomes features once for each tokenizer and length, not once for each seed, learning
rate and checkpoint. They are the largest thing an evaluation holds, so a task keeps those of one
model at a time, and releases them after its last model.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

from tidemask.modeling.precision import emulation_note
from tidemask.progress import ProgressCallback
from tidemask.run_record.predictions import Predictions, of_split
from tidemask.settings import Settings
from tidemask.tasks.fine_tuning import FineTuneSettings, fine_tune
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.predicting import Collator, Feature, Outputs, predict
from tidemask.tasks.task import Measured

METRIC_PREFIXES: Mapping[str, str] = {"dev": "", "dev_mismatched": "mismatched/", "test": "test/"}
"""The splits that can be scored, in order, and what the names of their metrics begin with."""

SplitT = TypeVar("SplitT", bound=Sequence[Any])


@dataclass(frozen=True)
class SplitScores:
    """A fine-tuned model's scores on a split.

    Attributes:
        metrics: scalars by name.
        kept: what they are computed from, example by example.
        notes: on this model's predictions, one sentence each.
    """

    metrics: Mapping[str, float]
    kept: Predictions
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TaskFeatures(Generic[SplitT]):
    """A task's data as one model reads it.

    Attributes:
        train: features of the training examples, with labels.
        scored: features of each scored split, by its name in `METRIC_PREFIXES`.
        head: values of the model's configuration that the head needs, such as `num_labels`.
        notes: what a reader of the scores should know of the data, one sentence each.
    """

    train: Sequence[Feature]
    scored: Mapping[str, SplitT]
    head: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class FineTunedTask(ABC, Generic[SplitT]):
    """A task that a model is fine-tuned on, once for each seed and learning rate.

    Attributes:
        name: of the task, at the command line and in the files of results.
        main_metric: stands for the task in tables and figures.
        settings: what the task is.
        fine_tuning: how models are trained on it.
        seeds: each gives one score; their median and spread are reported.
        learning_rates: those that the first seed tries, lowest first; the best serves all seeds.
    """

    auto_class: ClassVar[Any]
    """Class of transformers that puts the task's head on an encoder."""
    outputs: ClassVar[tuple[str, ...]] = ("logits",)
    """Names of the model's outputs that are scored."""

    def __init__(
        self, name: str, main_metric: str, settings: Settings, fine_tuning: FineTuneSettings
    ) -> None:
        self.name, self.main_metric = name, main_metric
        self.settings, self.fine_tuning = settings, fine_tuning
        self.seeds, self.learning_rates = fine_tuning.seeds, fine_tuning.learning_rates
        self._kept: tuple[Hashable, TaskFeatures[SplitT]] | None = None

    @abstractmethod
    def check(self) -> None:
        """Check the data, as far as it can be done without a model.

        Raises:
            UserError: it is missing or damaged, or does not fit the task.
        """

    @abstractmethod
    def data_fingerprint(self) -> dict[str, str]:
        """SHA-256 of the data, hexadecimal, as a whole or by split.

        Raises:
            UserError: the data is missing or damaged.
        """

    @abstractmethod
    def make_features(self, model_under_test: ModelUnderTest) -> TaskFeatures[SplitT]:
        """The data as a model reads it.

        Raises:
            UserError: the data is missing or damaged, or the tokenizer does not fit it.
        """

    @abstractmethod
    def split_scores(self, split: str, features: SplitT, outputs: Outputs) -> SplitScores:
        """Score the outputs of a fine-tuned model.

        Args:
            split: its name.
            features: those of the split.
            outputs: one array per feature, by the names in `outputs`; see `predict`.

        Returns:
            Metrics without the prefix of the split, and the predictions behind them.
        """

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Collator:
        """What makes padded batches of features."""
        return DataCollatorWithPadding(tokenizer)

    def describe(self, model_type: str) -> dict[str, Any]:
        """Settings and the fingerprint of the data, as plain nested mappings; see `Task`."""
        return {
            "task": dataclasses.asdict(self.settings),  # type: ignore[call-overload]
            "fine_tuning": self.fine_tuning.described(model_type),
            "data": self.data_fingerprint(),
        }

    def trial(
        self,
        model_under_test: ModelUnderTest,
        *,
        seed: int,
        learning_rate: float,
        on_progress: ProgressCallback,
    ) -> Measured:
        """Fine-tune a fresh copy of a model at one learning rate, and score every scored split.

        Raises:
            UserError: the data is missing or damaged, or the model or its tokenizer cannot do it.
            DivergedError: the fine-tuned model's outputs are not finite.
        """
        features = self.features(model_under_test)
        collator = self.collator(model_under_test.tokenizer)
        model = model_under_test.with_head(self.auto_class, seed=seed, **features.head)
        fine_tune(
            model,
            features.train,
            self.fine_tuning,
            collator=collator,
            learning_rate=learning_rate,
            seed=seed,
            on_progress=on_progress,
        )
        metrics: dict[str, float] = {}
        arrays: dict[str, NDArray[Any]] = {}
        device, asked = model.device.type, self.fine_tuning.precision
        slow = emulation_note("fine_tuning.precision", asked, device)
        notes = [*model_under_test.frame.notes, *features.notes, *([slow] if slow else [])]
        for split, prefix in METRIC_PREFIXES.items():
            if split not in features.scored:
                continue
            rows = features.scored[split]
            outputs = predict(
                model, rows, collator=collator, outputs=self.outputs, on_progress=on_progress
            )
            measured = self.split_scores(split, rows, outputs)
            metrics |= {prefix + name: value for name, value in measured.metrics.items()}
            arrays |= of_split(split, measured.kept)
            notes += measured.notes
        return Measured(metrics, tuple(notes), arrays)

    def features(self, model_under_test: ModelUnderTest) -> TaskFeatures[SplitT]:
        """The features of a model: those of the last model if both read the data alike."""
        key = self.features_key(model_under_test)
        if self._kept is None or self._kept[0] != key:
            self._kept = None  # freed first, so that there is one set of features at a time
            self._kept = key, self.make_features(model_under_test)
        return self._kept[1]

    def features_key(self, model_under_test: ModelUnderTest) -> tuple[Hashable, ...]:
        """What of a model decides its features."""
        return (
            model_under_test.tokenizer_fingerprint,
            model_under_test.frame,
            model_under_test.max_length,
            model_under_test.takes_token_types(self.auto_class),
        )

    def release(self) -> None:
        """Free the features; the next trial makes them again."""
        self._kept = None
