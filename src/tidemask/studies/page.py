"""The page of a study: written again while the study goes on, and its last verdicts."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from tidemask.errors import UserError
from tidemask.progress.display import ProgressDisplay
from tidemask.report.tables.table_files import read_table
from tidemask.run_record import RunDirectory
from tidemask.studies.directory import StudyDirectory

_SHARE = 0.05
"""Of the time of a study that its page may take before the end."""


@dataclass
class StudyPage:
    """Writes the page of a study; what keeps it from being written is a note, and no more.

    Attributes:
        directory: of the study.
        display: shows what went wrong.
        live_seconds: how often the page is written while runs go on; `None` for never.
        problem: why the page was not written the last time; empty if it was.
    """

    directory: StudyDirectory
    display: ProgressDisplay
    live_seconds: float | None = None
    problem: str = ""
    _not_before: float = -math.inf
    _written: float | None = None

    def write(self) -> None:
        """Write the page from what the runs have recorded."""
        from tidemask.studies.comparison import compare

        begun, self.problem = time.monotonic(), ""
        try:
            compare(self.directory.root, out=self.directory.report)
        except (UserError, OSError) as error:
            self.problem = str(error)
            self.display.on_note(f"The page was not written: {error}")
        self._written = time.monotonic()
        self._not_before = self._written + (self._written - begun) / _SHARE

    def after_run(self) -> None:
        """Write it after a run has ended, unless that would take too much of the time."""
        if time.monotonic() >= self._not_before:
            self.write()

    def while_running(self) -> None:
        """Write it if it is old enough, and there is something to show."""
        if self.live_seconds is None:
            return
        if self._written is None:
            self._written = time.monotonic()  # when waiting began
        elif time.monotonic() >= self._written + self.live_seconds and self._has_logged():
            self.after_run()

    def _has_logged(self) -> bool:
        """Whether a run has logged a step; with several corpora runs lie one directory deeper."""
        places = ("runs/*/seed-*", "runs/*/*/seed-*")
        found = (path for place in places for path in self.directory.root.glob(place))
        return any(RunDirectory(path).metrics.is_file() for path in found)


def last_verdicts(directory: StudyDirectory) -> tuple[str, ...]:
    """The verdicts of the page as it was last written, in words; none without a page.

    Raises:
        UserError: the table that has them is damaged.
    """
    path = directory.report / "tables" / "arms.json"
    if not path.is_file():
        return ()
    return tuple(str(cell) for cell in read_table(path).values("sentence") if cell)
