"""Settings as text, and sentences that name the runs with each value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidemask.report.results.compared_run import ComparedRun


def flat_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Nested settings as dotted paths, in their order, each value as text."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            inner = flat_settings(value)
            flat.update({f"{key}.{path}": text for path, text in inner.items()})
        else:
            flat[str(key)] = _as_text(value)
    return flat


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps(value, default=str)
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def difference(
    runs: Sequence[ComparedRun], what: str, value_of: Callable[[ComparedRun], str | None]
) -> str | None:
    """A sentence that names the runs with each value, or `None` if all runs have the same."""
    values = [(value, run.label) for run in runs if (value := value_of(run)) is not None]
    return difference_of(what, values)


def difference_of(what: str, values: Sequence[tuple[str, str]]) -> str | None:
    """The same from pairs of a value and a run's label."""
    labels_of: dict[str, list[str]] = {}
    for value, label in dict.fromkeys(values):
        labels_of.setdefault(value, []).append(label)
    if len(labels_of) < 2:
        return None
    named = "; ".join(f"{value} in {listed(labels)}" for value, labels in labels_of.items())
    return f"Not on equal terms: {what} differs: {named}."


def listed(words: Sequence[str]) -> str:
    """Words joined by commas, the last by "and"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
