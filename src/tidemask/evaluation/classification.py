"""Classification and regression of a text, or of a pair of texts, by fine-tuning."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from transformers import AutoModelForSequenceClassification

from tidemask.errors import UserError
from tidemask.evaluation.fine_tuning import Feature, FineTuneSettings, fine_tune, predict
from tidemask.evaluation.metrics import CLASSIFICATION, REGRESSION, check_metrics, score
from tidemask.evaluation.subject import Subject
from tidemask.evaluation.task import Measured, OnProgress
from tidemask.evaluation.task_data import Example, TaskData, split_by_group
from tidemask.settings import Settings

_SPLITS = (("dev", ""), ("dev_mismatched", "mismatched/"), ("test", "test/"))
"""Measured splits, and what the names of their metrics begin with."""

Row = TypeVar("Row")

_DEV_SHARE = 0.2
"""Of a dev split that has to serve for training too."""


@dataclass(frozen=True, kw_only=True)
class TextTaskSettings(Settings):
    """What a classification or regression task is."""

    name: str
    """What it is called."""
    kind: Literal["classification", "regression"] = "classification"
    """Whether the label is one of several or a number."""
    text: tuple[str, ...] = ("sentence",)
    """Fields of the text, or of the pair."""
    label: str = "label"
    """Field of the label."""
    labels: tuple[int | str, ...] = ()
    """All labels, in order; unset they are those of the training split. Where they are names, their
    numbers from 0 may stand for them."""
    metrics: tuple[str, ...] = ("accuracy",)
    """The first is the main one."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.text) <= 2:
            raise ValueError(f"text={list(self.text)}. Expected the name of a field, or of two.")
        known = CLASSIFICATION if self.kind == "classification" else REGRESSION
        check_metrics(self.metrics, list(known))
        if len(set(self.labels)) != len(self.labels) or len(self.labels) == 1:
            raise ValueError(f"labels={list(self.labels)}. Expected different ones, at least two.")
        if "f1" in self.metrics and len(self.labels) not in (0, 2):
            raise ValueError("metrics=f1 of more than two labels. Expected f1_macro.")


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


class TextTask:
    """A task on single texts or pairs; see `TextTaskSettings`.

    Args:
        settings: what it is.
        data: where its examples lie.
        fine_tuning: how models are trained on it.
    """

    def __init__(
        self, settings: TextTaskSettings, data: TaskData, fine_tuning: FineTuneSettings
    ) -> None:
        self.settings, self.data, self.fine_tuning = settings, data, fine_tuning
        self.name, self.main_metric = settings.name, settings.metrics[0]
        self.seeds, self.learning_rates = fine_tuning.seeds, fine_tuning.learning_rates
        self._last: tuple[object, _Prepared] | None = None

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

    def trial(
        self, subject: Subject, *, seed: int, learning_rate: float, on_progress: OnProgress
    ) -> Measured:
        """Fine-tune a fresh copy of a model, and score it on dev and on a labelled test split.

        Raises:
            UserError: the data does not fit the task, or the model has no such head.
        """
        prepared = self._prepared(subject)
        tokenizer = subject.tokenizer
        is_number = self.settings.kind == "regression"
        model = subject.with_head(
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
        for split in prepared.splits:
            logits = np.stack(
                predict(
                    model,
                    split.features,
                    tokenizer=tokenizer,
                    precision=self.fine_tuning.precision,
                    on_progress=on_progress,
                )["logits"]
            )
            predicted = logits[:, 0] if is_number else logits.argmax(axis=1)
            if not np.isfinite(logits).all():
                predicted = np.zeros_like(predicted)
            scores = score(self.settings.metrics, split.truth, predicted)
            metrics |= {split.prefix + name: value for name, value in scores.items()}
        return Measured(metrics, prepared.notes)

    def _prepared(self, subject: Subject) -> _Prepared:
        key = subject.tokenizer_fingerprint, subject.max_length
        if self._last is None or self._last[0] != key:
            self._last = key, self._prepare(subject)
        return self._last[1]

    def _prepare(self, subject: Subject) -> _Prepared:
        examples, notes = self._examples()
        labels = self._labels(examples["train"])
        encoder = _Encoder(self.settings, self.fine_tuning, labels, subject)
        train = encoder.features(chosen(examples["train"], self.fine_tuning.max_train_examples))
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
            sizes = f"{len(examples['train']):,} of its examples trained, {len(examples['dev']):,}"
            notes.append(
                f"There is no train split: dev was split by {group}, {sizes} scored. Such a score "
                "is not comparable with published ones."
            )
        return examples, notes

    def _labels(self, train: Sequence[Example]) -> tuple[int | str, ...]:
        if self.settings.kind == "regression":
            return ()
        if self.settings.labels:
            return self.settings.labels
        labels = {example.value(self.settings.label) for example in train}
        if len(labels) < 2:
            raise UserError(
                f"one label only: {self.data.source}, train, {self.settings.label}="
                f"{next(iter(labels))!r}. Expected at least two to tell apart."
            )
        return tuple(sorted(labels, key=lambda label: (str(type(label)), label)))


class _Encoder:
    """Makes features of examples, and counts those that are too long."""

    def __init__(
        self,
        settings: TextTaskSettings,
        fine_tuning: FineTuneSettings,
        labels: tuple[int | str, ...],
        subject: Subject,
    ) -> None:
        self._settings, self._labels, self._tokenizer = settings, labels, subject.tokenizer
        self._max_length = min(fine_tuning.max_length, subject.max_length or fine_tuning.max_length)
        self._num_cut, self._num = 0, 0

    def features(self, examples: Sequence[Example]) -> list[Feature]:
        """Ids and label of each example.

        Raises:
            UserError: a field is missing, no text, or no label of the task.
        """
        texts = [[example.text(field) for example in examples] for field in self._settings.text]
        labels = [self._label(example) for example in examples]
        encoded = self._tokenizer(
            *texts, truncation=True, max_length=self._max_length, return_attention_mask=False
        )
        self._num += len(examples)
        self._num_cut += sum(bool(one.overflowing) for one in encoded.encodings or ())
        names = list(encoded.keys())
        columns = [encoded[name] for name in names]
        return [
            {**dict(zip(names, values, strict=True)), "labels": label}
            for *values, label in zip(*columns, labels, strict=True)
        ]

    def notes(self) -> tuple[str, ...]:
        """How many examples were cut, if any were."""
        if not self._num_cut:
            return ()
        return (
            f"{self._num_cut:,} of {self._num:,} examples are longer than {self._max_length} "
            "tokens and were cut.",
        )

    def _label(self, example: Example) -> int | float:
        value = example.value(self._settings.label)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if self._settings.kind == "regression":
            if not is_number or not np.isfinite(value):
                raise self._wrong(example, value, "a number")
            return float(value)
        if value in self._labels and not isinstance(value, bool):
            return self._labels.index(value)
        names_only = all(isinstance(label, str) for label in self._labels)
        if names_only and isinstance(value, int) and 0 <= value < len(self._labels):
            return value
        raise self._wrong(example, value, f"one of {', '.join(map(str, self._labels))}")

    def _wrong(self, example: Example, value: object, expected: str) -> UserError:
        return UserError(
            f"label outside the task's: {example.place}: {self._settings.label}={value!r}. "
            f"Expected {expected}. Mend the file, or name the task's labels."
        )


def chosen(examples: Sequence[Row], largest: int) -> list[Row]:
    """The first `largest` examples of a fixed shuffle, all if it is 0."""
    if not 0 < largest < len(examples):
        return list(examples)
    order = np.random.default_rng(0).permutation(len(examples))[:largest]
    return [examples[index] for index in order]


def _is_unlabelled(examples: Sequence[Example], label: str) -> bool:
    """Whether a test split keeps its labels back, as those of GLUE do."""
    return all(example.fields.get(label, -1) in (-1, None) for example in examples)
