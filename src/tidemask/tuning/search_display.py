"""The progress of a search: one line in seconds of its budget, whatever is trained."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.progress.display import ProgressDisplay
from tidemask.progress.line import Part
from tidemask.tuning.clock import SpentClock

_STAGE = "tune"


class SearchDisplay(ProgressDisplay):
    """What the studies of a search show their progress on; notes are passed on.

    Args:
        shown: where it is shown.
        clock: the time spent.
        budget: seconds.

    Attributes:
        where: the search is.
    """

    def __init__(self, shown: ProgressDisplay, clock: SpentClock, budget: float) -> None:
        super().__init__()
        self._shown, self._clock, self._budget = shown, clock, budget
        self.where = ""

    def on_progress(self, stage: str, done: int, total: int | None) -> None:  # noqa: ARG002
        """Show the time; what a single study has done says little."""
        total_seconds = max(2, round(self._budget))
        spent = min(round(self._clock.spent), total_seconds - 1)
        self._shown.on_detail(_STAGE, [Part(7, self.where, self.where)])
        self._shown.on_progress(_STAGE, spent, total_seconds)

    def on_detail(self, stage: str, details: Sequence[Part]) -> None:
        """Details of a single study are left out."""

    def on_note(self, sentence: str) -> None:
        """Show a sentence."""
        self._shown.on_note(sentence)
