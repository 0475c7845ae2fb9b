"""Sentences that name the runs or arms with each value of what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tidemask.errors import shortened
from tidemask.report.results.flat_settings import flat_settings


def difference(what: str, values: Iterable[tuple[str, str | None]]) -> list[str]:
    """A sentence that names the labels with each value, or none if all have the same.

    Args:
        what: what differs.
        values: a run's label and its value; `None` leaves the run out.
    """
    labels_of: dict[str, list[str]] = {}
    for label, value in dict.fromkeys(values):
        if value is not None:
            labels_of.setdefault(value, []).append(label)
    if len(labels_of) < 2:
        return []
    named = "; ".join(f"{value} in {listed(labels)}" for value, labels in labels_of.items())
    return [f"Not on equal terms: {what} differs: {named}."]


def setting_differences(
    settings: Sequence[tuple[str, Mapping[str, Any]]],
    is_compared: Callable[[str], bool],
    what: str = "{path}",
) -> list[str]:
    """A sentence for each compared path at which the labelled settings differ."""
    flat = [(label, flat_settings(nested)) for label, nested in settings]
    return [
        sentence
        for path in dict.fromkeys(path for _, values in flat for path in values)
        if is_compared(path)
        for sentence in difference(
            what.replace("{path}", path),
            [(label, values.get(path, "not set")) for label, values in flat],
        )
    ]


LONGEST_LIST = 5
"""Of runs that a sentence names."""


def listed(words: Sequence[str], longest: int | None = None) -> str:
    """Words joined by commas, the last by "and"; the first `longest` alone where there are more."""
    if longest is not None and len(words) > longest:
        return shortened(words, longest)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
