"""Features are made once for all models that read the data alike, and released when asked."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from tidemask.tasks.fine_tuned_task import FineTunedTask, TaskFeatures
from tidemask.tasks.fine_tuning import FineTuneSettings


@dataclass(frozen=True)
class Reader:
    """What of a model decides its features."""

    tokenizer_fingerprint: str
    max_length: int | None
    frame: str = "[CLS] text [SEP]"
    has_types: bool = True

    def takes_token_types(self, auto_class: Any) -> bool:
        assert auto_class is CountingTask.auto_class
        return self.has_types


class CountingTask(FineTunedTask[Any]):
    """A task without data that remembers for which models it made features."""

    auto_class = "of the task"
    check = data_fingerprint = split_scores = None

    def __init__(self) -> None:
        settings = FineTuneSettings()
        super().__init__("counting", "accuracy", settings, settings)
        self.made: list[Reader] = []
        self.last: weakref.ref[Any] | None = None

    def make_features(self, model_under_test: Any) -> TaskFeatures[Any]:
        assert self.last is None or self.last() is None, "two sets of features at a time"
        self.made.append(model_under_test)
        features = TaskFeatures[Any](train=[], scored={})
        self.last = weakref.ref(features)
        return features


def test_features_are_made_once_for_models_that_read_alike() -> None:
    task = CountingTask()
    one, shorter, other = Reader("a", 128), Reader("a", 64), Reader("b", 128)
    bare, untyped = Reader("b", 128, frame=""), Reader("b", 128, has_types=False)
    for reader in (one, one, shorter, bare, untyped, other, other):
        task.features(reader)  # type: ignore[arg-type]
    assert task.made == [one, shorter, bare, untyped, other]
    task.release()
    task.features(other)  # type: ignore[arg-type]
    assert task.made == [one, shorter, bare, untyped, other, other]
