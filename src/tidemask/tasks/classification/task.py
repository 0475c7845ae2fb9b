"""Classification and regression of a text, or of a pair of texts, by fine-tuning."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import AutoModelForSequenceClassification

from tidemask.errors import UserError
from tidemask.progress import ProgressCallback
from tidemask.tasks.classification.features import (
    TextEncoder,
    TextTaskSettings,
    check_examples,
    encodable,
)
from tidemask.tasks.data import Example, TaskData, chosen, split_by_group
from tidemask.tasks.feature_cache import KeepsFeatures
from tidemask.tasks.fine_tuning import FineTuneSettings, fine_tune
from tidemask.tasks.metrics import score
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.predicting import Feature, predict
from tidemask.tasks.task import Measured

_SPLITS = (("dev", ""), ("dev_mismatched", "mismatched/"), ("test", "test/"))
"""Measured splits, and what the names of their metrics begin with."""

_DEV_SHARE = 0.2
"""Of a dev split that has to serve for training too."""


@dataclass(frozen=True)
class _Split:
    """A split as features, with the labels that are held against predictions."""

    prefix: str
    features: Sequence[Feature]
    truth: Any  # [N], int64 or float64


@dataclass(frozen=True)
class _Prepared:
    train: Sequence[Feature]
    splits: tuple[_Split, ...]
    num_labels: int
    notes: tuple[str, ...]


class TextTask(KeepsFeatures[_Prepared]):
    """A task on single texts or pairs; see `TextTaskSettings`.

    Args:
        settings: what it is.
        data: where its examples lie.
        fine_tuning: how models are trained on it.
    """

    def __init__(
        self, settings: TextTaskSettings, data: TaskData, fine_tuning: FineTuneSettings
    ) -> None:
        super().__init__(fine_tuning)
        self.settings, self.data = settings, data
        self.name, self.main_metric = settings.name, settings.metrics[0]

    def describe(self) -> Mapping[str, Any]:
        """Settings and the fingerprint of the data.

        Raises:
            UserError: the data is missing or damaged.
        """
        return {
            "task": dataclasses.asdict(self.settings),
            "fine_tuning": self.fine_tuning.described(),
            "data": {"fingerprint": self.data.fingerprint},
        }

    def check(self) -> None:
        """Look at every example.

        Raises:
            UserError: one is missing or damaged, or does not fit the task.
        """
        examples, _ = self._examples()
        labels = self._labels(examples["train"])
        for rows in examples.values():
            check_examples(rows, self.settings, labels)

    def trial(
        self,
        model_under_test: ModelUnderTest,
        *,
        seed: int,
        learning_rate: float,
        on_progress: ProgressCallback,
    ) -> Measured:
        """Fine-tune a fresh copy of a model, and score it on dev and on a labelled test split.

        Raises:
            UserError: the data does not fit the task, or the model has no such head.
        """
        prepared = self.features(model_under_test, lambda: self._prepare(model_under_test))
        tokenizer = model_under_test.tokenizer
        is_number = self.settings.kind == "regression"
        model = model_under_test.with_head(
            AutoModelForSequenceClassification,
            seed=seed,
            num_labels=prepared.num_labels,
            problem_type="regression" if is_number else "single_label_classification",
        )
        fine_tune(
            model,
            prepared.train,
            self.fine_tuning,
            tokenizer=tokenizer,
            learning_rate=learning_rate,
            seed=seed,
            on_progress=on_progress,
        )
        metrics: dict[str, float] = {}
        notes = list(prepared.notes)
        for split in prepared.splits:
            logits = np.stack(
                predict(
                    model,
                    split.features,
                    tokenizer=tokenizer,
                    on_progress=on_progress,
                )["logits"]
            )
            predicted = logits[:, 0] if is_number else logits.argmax(axis=1)
            if not is_number and not split.prefix and len(set(predicted.tolist())) == 1:
                notes.append("With some seed every dev example got the same label.")
            scores = score(self.settings.metrics, split.truth, predicted)
            metrics |= {split.prefix + name: value for name, value in scores.items()}
        return Measured(metrics, tuple(notes))

    def _prepare(self, model_under_test: ModelUnderTest) -> _Prepared:
        examples, notes = self._examples()
        labels = self._labels(examples["train"])
        encoder = TextEncoder(self.settings, self.fine_tuning, labels, model_under_test)
        used = chosen(examples["train"], self.fine_tuning.max_train_examples)
        if len(used) < len(examples["train"]):
            notes.append(
                f"{len(used):,} of {len(examples['train']):,} training examples are used "
                "(fine_tuning.max_train_examples)."
            )
        train = encoder.features(used)
        encoder.begin_counting()
        splits = []
        for name, prefix in _SPLITS:
            if name in examples:
                features = encoder.features(examples[name])
                kind = np.float64 if self.settings.kind == "regression" else np.int64
                truth = np.array([feature["labels"] for feature in features], kind)
                splits.append(_Split(prefix, features, truth))
        return _Prepared(train, tuple(splits), max(1, len(labels)), (*notes, *encoder.notes()))

    def _examples(self) -> tuple[dict[str, list[Example]], list[str]]:
        """The splits that are used, by name, and what a reader should know of them."""
        found = {name: self.data.split(name) for name in ("train", *(name for name, _ in _SPLITS))}
        examples = {name: rows for name, rows in found.items() if rows}
        notes = []
        if "test" in examples and _is_unlabelled(examples["test"], self.settings.label):
            del examples["test"]
        if "dev" not in examples:
            raise UserError(
                f"no dev split: {self.data.source} of task {self.name}. Expected dev.jsonl, or a "
                "split named validation."
            )
        if "train" not in examples:
            group = self.settings.text[0]
            examples["train"], examples["dev"] = split_by_group(
                examples["dev"], group, share=_DEV_SHARE
            )
            notes.append(
                f"There is no train split: dev was split by {group}, {len(examples['dev']):,} of "
                "its examples are scored. Such a score is not comparable with published ones."
            )
        return examples, notes

    def _labels(self, train: Sequence[Example]) -> tuple[int | str, ...]:
        if self.settings.kind == "regression":
            return ()
        if self.settings.labels:
            return self.settings.labels
        labels = {encodable(example, self.settings.label) for example in train}
        if len(labels) < 2:
            raise UserError(
                f"one label only: {self.data.source}, train, {self.settings.label}="
                f"{next(iter(labels))!r}. Expected at least two to tell apart."
            )
        if "f1" in self.settings.metrics and len(labels) > 2:
            raise UserError(
                f"f1 of {len(labels)} labels: {self.data.source}, train. Expected metrics: "
                "[f1_macro], or two labels."
            )
        return tuple(sorted(labels, key=lambda label: (str(type(label)), label)))


def _is_unlabelled(examples: Sequence[Example], label: str) -> bool:
    """Whether a test split keeps its labels back, as those of GLUE do."""
    return all(example.fields.get(label, -1) in (-1, None) for example in examples)
