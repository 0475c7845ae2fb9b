"""What a task on texts or pairs is, and how its examples become features of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tidemask.errors import UserError
from tidemask.settings import Settings
from tidemask.tasks.data import Example
from tidemask.tasks.fine_tuning import FineTuneSettings
from tidemask.tasks.metrics import CLASSIFICATION, REGRESSION, check_metrics
from tidemask.tasks.model_under_test import ModelUnderTest
from tidemask.tasks.predicting import Feature
from tidemask.tasks.task import check_name


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
        check_name(self.name)
        if not 1 <= len(self.text) <= 2:
            raise ValueError(f"text={list(self.text)}. Expected the name of a field, or of two.")
        known = CLASSIFICATION if self.kind == "classification" else REGRESSION
        check_metrics(self.metrics, list(known))
        if len(set(self.labels)) != len(self.labels) or len(self.labels) == 1:
            raise ValueError(f"labels={list(self.labels)}. Expected different ones, at least two.")
        if "f1" in self.metrics and len(self.labels) not in (0, 2):
            raise ValueError("metrics=f1 of more than two labels. Expected f1_macro.")


class TextEncoder:
    """Makes features of examples, and counts those that are too long."""

    def __init__(
        self,
        settings: TextTaskSettings,
        fine_tuning: FineTuneSettings,
        labels: tuple[int | str, ...],
        model_under_test: ModelUnderTest,
    ) -> None:
        self._settings, self._labels, self._tokenizer = settings, labels, model_under_test.tokenizer
        self._max_length = min(
            fine_tuning.max_length, model_under_test.max_length or fine_tuning.max_length
        )
        self._num_cut, self._num = 0, 0

    def features(self, examples: Sequence[Example]) -> list[Feature]:
        """Ids and label of each example.

        Raises:
            UserError: a field is missing, no text, or no label of the task.
        """
        texts = [[example.text(field) for example in examples] for field in self._settings.text]
        labels = [label_number(example, self._settings, self._labels) for example in examples]
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

    def begin_counting(self) -> None:
        """Count from here on what is too long: the examples that are scored."""
        self._num_cut, self._num = 0, 0

    def notes(self) -> tuple[str, ...]:
        """How many of the counted examples were cut, if any were."""
        if not self._num_cut:
            return ()
        return (
            f"{self._num_cut:,} of {self._num:,} scored examples are longer than "
            f"{self._max_length} tokens and were cut.",
        )


def check_examples(
    examples: Sequence[Example], settings: TextTaskSettings, labels: tuple[int | str, ...]
) -> None:
    """Refuse examples that cannot become features, before there is a model to read them.

    Raises:
        UserError: a field is missing, no text, or no label of the task.
    """
    for example in examples:
        for field in settings.text:
            example.text(field)
        label_number(example, settings, labels)


def label_number(
    example: Example, settings: TextTaskSettings, labels: tuple[int | str, ...]
) -> int | float:
    """The label as a model learns it: its place among the labels, or the number itself.

    Raises:
        UserError: it is missing, or no label of the task.
    """
    if settings.kind == "regression":
        number = example.value(settings.label)
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number or not np.isfinite(number):
            raise _wrong(example, settings.label, number, "a number")
        return float(number)
    value = encodable(example, settings.label)
    if value in labels:
        return labels.index(value)
    names_only = all(isinstance(label, str) for label in labels)
    if names_only and isinstance(value, int) and 0 <= value < len(labels):
        return value
    raise _wrong(example, settings.label, value, f"one of {', '.join(map(str, labels))}")


def _wrong(example: Example, field: str, value: object, expected: str) -> UserError:
    return UserError(
        f"label outside the task's: {example.place}: {field}={value!r}. Expected {expected}. "
        "Mend the file, or name the task's labels."
    )


def encodable(example: Example, field: str) -> int | str:
    """A label as it is compared: a whole number or a name; true and false are 1 and 0.

    Raises:
        UserError: it is missing, or something else.
    """
    value = example.value(field)
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, int | str):
        raise UserError(
            f"label that is none: {example.place}: {field}={value!r}. Expected a whole number or a "
            "name. Mend the file, or name another field with label."
        )
    return value
