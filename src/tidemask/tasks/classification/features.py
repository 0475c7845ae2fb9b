"""What a task on texts or pairs is, and how its examples become features of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from transformers import PreTrainedTokenizerBase

from tidemask.corpus.tokenizing.frame import Frame
from tidemask.corpus.tokenizing.tokenizer import CorpusTokenizer
from tidemask.errors import UserError
from tidemask.settings import Settings
from tidemask.tasks.examples import Example
from tidemask.tasks.metrics import CLASSIFICATION, REGRESSION, check_metrics
from tidemask.tasks.predicting import Feature
from tidemask.tasks.task import check_name


@dataclass(frozen=True, kw_only=True)
class TextTaskSettings(Settings):
    """What a classification or regression task is."""

    name: str
    """Name of the task."""
    kind: Literal["classification", "regression"] = "classification"
    """Whether the label is one of several or a number."""
    text: tuple[str, ...] = ("sentence",)
    """Names of the fields that hold the text, or the two texts of a pair."""
    label: str = "label"
    """Name of the field that holds the label."""
    labels: tuple[int | str, ...] = ()
    """All labels, in order; if empty, those of the training split. Where they are names, the data
    may have their numbers from 0 instead."""
    metrics: tuple[str, ...] = ("accuracy",)
    """Names of the metrics; the first is the main one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.name)
        if not 1 <= len(self.text) <= 2:
            raise ValueError(f"text={list(self.text)}. Expected the name of a field, or of two.")
        known = CLASSIFICATION if self.kind == "classification" else REGRESSION
        check_metrics(self.metrics, list(known))
        if len(set(self.labels)) != len(self.labels) or len(self.labels) == 1:
            raise ValueError(f"labels={list(self.labels)}. Expected different ones, at least two.")
        if "f1" in self.metrics and len(self.labels) not in (0, 2):
            raise ValueError("metrics=f1 of more than two labels. Expected f1_macro.")


def text_features(
    examples: Sequence[Example],
    settings: TextTaskSettings,
    labels: tuple[int | str, ...],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    *,
    with_token_types: bool,
) -> tuple[list[Feature], int]:
    """Ids and label of each example, and how many examples were too long and cut.

    Args:
        examples: of one split.
        settings: name the fields of texts and label.
        labels: all labels in order; empty for regression.
        tokenizer: of the model; letters that spell a special token are text, as in pre-training.
        max_length: tokens of an example, special ones included.
        with_token_types: whether features of pairs have `token_type_ids`.

    Raises:
        UserError: a field is missing or is not text, a label is not one of the task's, or
            `max_length` leaves no room for text.
    """
    frame = Frame.of(tokenizer)
    is_pair = len(settings.text) == 2
    room = max_length - (frame.pair.num_special if is_pair else frame.num_special)
    if room < len(settings.text):
        raise UserError(
            f"max_length={max_length}. Expected room for a text beside {max_length - room} special "
            "tokens. Choose a larger one."
        )
    encoder = CorpusTokenizer(tokenizer).encoder()
    columns = [encoder.encode([row.text(field) for row in examples]) for field in settings.text]
    texts = [[encoded.ids.tolist() for encoded in column] for column in columns]
    features: list[Feature] = []
    num_cut = 0
    for example, *ids in zip(examples, *texts, strict=True):
        kept = [
            part[-length:] if tokenizer.truncation_side == "left" else part[:length]
            for part, length in zip(ids, lengths_within(list(map(len, ids)), room), strict=True)
        ]
        num_cut += kept != ids
        feature: dict[str, Any] = {"labels": label_number(example, settings, labels)}
        if is_pair:
            feature["input_ids"], types = frame.pair.around(*kept)
            if with_token_types:
                feature["token_type_ids"] = types
        else:
            feature["input_ids"] = frame.around(*kept)
        features.append(feature)
    return features, num_cut


def lengths_within(lengths: list[int], room: int) -> list[int]:
    """What is kept of one text, or of two, so that they fit: the longer one is cut first.

    Example:
        >>> lengths_within([9, 3], 8), lengths_within([9, 7], 8), lengths_within([9], 8)
        ([5, 3], [4, 4], [8])
    """
    if sum(lengths) <= room:
        return lengths
    if len(lengths) == 1:
        return [room]
    shorter = min(*lengths, room // 2)
    longer = room - shorter
    return [longer, shorter] if lengths[0] > lengths[1] else [shorter, longer]


def check_examples(
    examples: Sequence[Example], settings: TextTaskSettings, labels: tuple[int | str, ...]
) -> None:
    """Refuse examples that cannot become features; this needs no model.

    Raises:
        UserError: a field is missing or is not text, or a label is not one of the task's.
    """
    for example in examples:
        for field in settings.text:
            example.text(field)
        label_number(example, settings, labels)


def label_number(
    example: Example, settings: TextTaskSettings, labels: tuple[int | str, ...]
) -> int | float:
    """The label as a model learns it: its index among the labels, or the number itself.

    Raises:
        UserError: it is missing, or is not one of the task's labels.
    """
    if settings.kind == "regression":
        number = example.value(settings.label)
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number or not np.isfinite(number):
            raise _wrong(example, settings.label, number, "a number")
        return float(number)
    value = label_value(example, settings.label)
    own_names = example.names.get(settings.label, ())
    if isinstance(value, int) and 0 <= value < len(own_names) and {*own_names} & {*labels}:
        value = own_names[value]  # a task may list its labels in another order than the data set
    if value in labels:
        return labels.index(value)
    names_only = all(isinstance(label, str) for label in labels)
    if names_only and isinstance(value, int) and 0 <= value < len(labels):
        return value
    raise _wrong(example, settings.label, value, f"one of {', '.join(map(str, labels))}")


def _wrong(example: Example, field: str, value: object, expected: str) -> UserError:
    return UserError(
        f"label outside the task's: {example.place}: {field}={value!r}. Expected {expected}. "
        "Fix the file, or name the task's labels."
    )


def label_value(example: Example, field: str) -> int | str:
    """A label as a whole number or a name; true and false become 1 and 0.

    Raises:
        UserError: it is missing, or something else.
    """
    value = example.value(field)
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, int | str):
        raise UserError(
            f"unusable label: {example.place}: {field}={value!r}. Expected a whole number or a "
            "name. Fix the file, or name another field with label."
        )
    return value
