"""Whether a run sits on the plateau of word frequencies: it knows them, and uses no context yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tidemask.run_record import MEAN_LOSS, UNIGRAM_CROSS_ENTROPY

_WITHIN = 0.1
"""Nats around the line that count as the plateau."""


def plateau_note(before: Sequence[Mapping[str, Any]], metrics: Mapping[str, Any]) -> str | None:
    """What a user should know once a run has stayed on the plateau for two measurements.

    It is said at the second of them and not again, also if the run is continued.

    Args:
        before: the earlier lines of metrics.
        metrics: of the measurement that was just made.
    """
    measured = [line for line in before if line.get(MEAN_LOSS) is not None]
    so_far = [_is_on_plateau(line) for line in (*measured, metrics)]
    stays = [earlier and later for earlier, later in pairwise(so_far)]
    if not stays or not stays[-1] or any(stays[:-1]):
        return None
    line = metrics[UNIGRAM_CROSS_ENTROPY]
    return (
        f"Held-out loss {metrics[MEAN_LOSS]:.2f} stays at that of word frequencies alone "
        f"({line:.2f}): no context is used yet. More steps usually help, or a higher "
        "training.learning_rate."
    )


def _is_on_plateau(metrics: Mapping[str, Any]) -> bool:
    loss, line = metrics.get(MEAN_LOSS), metrics.get(UNIGRAM_CROSS_ENTROPY)
    return loss is not None and line is not None and abs(loss - line) <= _WITHIN
