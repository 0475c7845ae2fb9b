"""What a model said of every example of a downstream task, so that two models can be paired.

The order is that of the task's data, whose fingerprint the result names. Shapes: `N` examples, `K`
labels, `W` words of all sentences, `S` sentences, `P` pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tidemask.files.arrays import Arrays
from tidemask.run_record.kept_arrays import KIND, Integers, KeptArrays, compact

Floats = NDArray[np.floating[Any]]
Tags = Sequence[Sequence[str]]

MAX_LOGITS = 1 << 18
"""Logits of a split that are kept, 512 KiB of them; of a larger one only the predicted labels."""


@dataclass(frozen=True, kw_only=True)
class LabelPredictions(KeptArrays):
    """Of a classification.

    Attributes:
        predicted: number of the label with the highest logit, in the order of the task's labels,
            unsigned [N].
        labels: that of the data, unsigned [N].
        logits: rounded to float16 [N, K]; `None` where there are more than `MAX_LOGITS`.
    """

    kind = "labels"
    predicted: Integers
    labels: Integers
    logits: NDArray[np.float16] | None = None

    def __post_init__(self) -> None:
        self._check_lengths(predicted=len(self.labels), logits=len(self.labels))

    @classmethod
    def of(cls, logits: Floats, labels: Integers) -> LabelPredictions:
        """What is kept of logits [N, K] and labels [N]."""
        largest = np.finfo(np.float16).max
        return cls(
            predicted=compact(logits.argmax(axis=1)),
            labels=compact(labels),
            logits=np.clip(logits, -largest, largest).astype(np.float16)
            if logits.size <= MAX_LOGITS
            else None,
        )

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each example is, bool [N]; the mean is the accuracy."""
        return np.equal(self.predicted, self.labels)


@dataclass(frozen=True, kw_only=True)
class NumberPredictions(KeptArrays):
    """Of a regression.

    Attributes:
        predicted: float32 [N].
        labels: those of the data, float64 [N].
    """

    kind = "numbers"
    predicted: NDArray[np.float32]
    labels: NDArray[np.float64]

    def __post_init__(self) -> None:
        self._check_lengths(predicted=len(self.labels))


@dataclass(frozen=True, kw_only=True)
class TagPredictions(KeptArrays):
    """Of the words of sentences.

    Attributes:
        predicted: number in `tags` of each word's best tag, unsigned [W].
        labels: that of the data, in IOB2 where tags mark entities, unsigned [W].
        ends: number of words up to the end of each sentence, unsigned [S].
        tags: their names.
    """

    kind = "tags"
    predicted: Integers
    labels: Integers
    ends: Integers
    tags: tuple[str, ...]

    def __post_init__(self) -> None:
        self._check_lengths(predicted=len(self.labels), labels=int(self.ends.max(initial=0)))

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each word is, bool [W]; the mean is the accuracy."""
        return np.equal(self.predicted, self.labels)

    @classmethod
    def of(cls, labels: Tags, predicted: Tags, tags: Sequence[str]) -> TagPredictions:
        """What is kept of the tags of each sentence, by name; as many of both."""
        number_of = {tag: number for number, tag in enumerate(tags)}
        numbers, best = (
            compact([number_of[tag] for sentence in side for tag in sentence])
            for side in (labels, predicted)
        )
        ends = compact(np.cumsum([len(sentence) for sentence in labels]))
        return cls(predicted=best, labels=numbers, ends=ends, tags=tuple(tags))

    def sentences(self, numbers: Integers) -> list[list[str]]:
        """Tags by sentence, of `predicted` or of `labels`."""
        parts = np.split(numbers, self.ends[:-1].astype(np.int64))
        return [[self.tags[number] for number in part] for part in parts]


@dataclass(frozen=True, kw_only=True)
class AnswerPredictions(KeptArrays):
    """Of questions on contexts.

    Attributes:
        answers: the best passage of the context for each of N questions, not empty where there is
            one, even if the model prefers no answer.
        no_answer_difference: score of "no answer" less that of the passage, float64 [N]; above 0
            the question is left unanswered. `None` where every question has an answer.
    """

    kind = "answers"
    answers: tuple[str, ...]
    no_answer_difference: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        self._check_lengths(no_answer_difference=len(self.answers))


@dataclass(frozen=True, kw_only=True)
class PairPredictions(KeptArrays):
    """Of minimal pairs.

    Attributes:
        good: PLL of each acceptable sentence, nats, rounded to float32 [P].
        bad: PLL of each other sentence, nats, rounded to float32 [P].
        is_right: whether the acceptable one is the more probable one, before rounding, and their
            tokens differ, bool [P]; the mean is the micro accuracy.
        paradigm: number in `paradigms` of each pair's paradigm, unsigned [P].
        paradigms: their names.
    """

    kind = "pairs"
    good: NDArray[np.float32]
    bad: NDArray[np.float32]
    is_right: NDArray[np.bool_]
    paradigm: Integers
    paradigms: tuple[str, ...]

    def __post_init__(self) -> None:
        number = len(self.is_right)
        self._check_lengths(good=number, bad=number, paradigm=number)


Predictions: TypeAlias = (
    LabelPredictions | NumberPredictions | TagPredictions | AnswerPredictions | PairPredictions
)
"""What is kept of a split, by the kind of its task."""

_KINDS: Mapping[str, type[Predictions]] = {
    kind.kind: kind
    for kind in (
        LabelPredictions,
        NumberPredictions,
        TagPredictions,
        AnswerPredictions,
        PairPredictions,
    )
}


def of_split(split: str, kept: Predictions) -> Arrays:
    """The arrays of a split as they stand among those of a result."""
    return {f"{split}/{name}": array for name, array in kept.arrays().items()}


def predictions_by_split(arrays: Arrays) -> dict[str, Predictions]:
    """What the arrays of a result hold, by split; empty where they are of another kind of task.

    Example:
        >>> import numpy as np
        >>> from tidemask.run_record.predictions import (
        ...     LabelPredictions, of_split, predictions_by_split
        ... )
        >>> kept = LabelPredictions(predicted=np.array([1, 0, 1]), labels=np.array([1, 1, 1]))
        >>> found = predictions_by_split(of_split("dev", kept))["dev"]
        >>> type(found).__name__, found.is_right.tolist()
        ('LabelPredictions', [True, False, True])

    Raises:
        ValueError: an array is missing, of another length, or not of a known kind.
    """
    splits: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        split, slash, rest = name.partition("/")
        if slash:
            splits.setdefault(split, {})[rest] = array
    return {split: _predictions(found) for split, found in splits.items()}


def _predictions(arrays: Arrays) -> Predictions:
    kind = _KINDS.get(str(arrays.get(KIND)))
    if kind is None:
        raise ValueError(f"kind={arrays.get(KIND)}. Expected one of {', '.join(_KINDS)}")
    return kind.from_arrays(arrays)
