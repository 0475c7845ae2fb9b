"""Features are made once for what reads alike, and let go of when told."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from tidemask.tasks.feature_cache import KeepsFeatures
from tidemask.tasks.fine_tuning import FineTuneSettings


@dataclass(frozen=True)
class Reader:
    """What of a model decides how it reads."""

    tokenizer_fingerprint: str
    max_length: int | None


class Made:
    """Features that a weak reference can follow."""


def test_features_are_made_once_for_each_tokenizer_length_and_term() -> None:
    task = KeepsFeatures[int](FineTuneSettings(num_seeds=2, learning_rates=(1e-3, 1e-4)))
    made: list[tuple[Reader, bool]] = []

    def features(reader: Reader, has_types: bool = False) -> int:
        def make() -> int:
            made.append((reader, has_types))
            return len(made)

        return task.features(reader, make, has_types)  # type: ignore[arg-type]

    one, shorter, other = Reader("a", 128), Reader("a", 64), Reader("b", 128)
    readings = [features(reader) for reader in (one, one, shorter, other, other)]
    readings.append(features(other, has_types=True))
    assert readings == [1, 1, 2, 3, 3, 4]
    assert made == [(one, False), (shorter, False), (other, False), (other, True)]
    task.release()
    assert features(other, has_types=True) == 5


def test_features_of_the_last_model_go_before_the_next_ones_come() -> None:
    task = KeepsFeatures[Made](FineTuneSettings())
    followed = weakref.ref(task.features(Reader("a", 8), Made))  # type: ignore[arg-type]
    assert followed() is not None

    def make() -> Made:
        assert followed() is None, "two sets of features at a time"
        return Made()

    task.features(Reader("b", 8), make)  # type: ignore[arg-type]
