"""The directory of a study, and what is known of each of its runs.

definition.yaml         the definition, with absolute paths
runs/ARM/seed-N/        run directories (runs/CORPUS/ARM/seed-N/ for several corpora)
attempts/ARM/           seed-N.jsonl, when a run was begun and how that ended; seed-N.log
report/                 the page, rewritten after every run
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tidemask.run_record import RunDirectory, read_metrics
from tidemask.studies.attempts import is_held, read_attempts
from tidemask.studies.planning import PlannedRun


class State(StrEnum):
    """How far a run of a study is."""

    WAITING = "waiting"
    """It was never begun."""
    RUNNING = "running"
    """A process works on it."""
    INTERRUPTED = "interrupted"
    """It was stopped in order."""
    DEAD = "dead"
    """The process that trained it is gone without a word."""
    FAILED = "failed"
    """It ended with an error."""
    FINISHED = "finished"
    """It is trained, and measured as the study asks."""


@dataclass(frozen=True, kw_only=True)
class RunState:
    """What is known of a run of a study.

    Attributes:
        run: as it was planned.
        state: how far it is.
        step: optimizer steps that were logged.
        num_attempts: how often it was begun.
        message: of its last end, where that was an error.
    """

    run: PlannedRun
    state: State
    step: int
    num_attempts: int
    message: str = ""


@dataclass(frozen=True)
class StudyDirectory:
    """The paths of a study's directory.

    Attributes:
        root: the directory.
    """

    root: Path

    @property
    def definition(self) -> Path:
        """The definition of the study, with absolute paths."""
        return self.root / "definition.yaml"

    @property
    def lock(self) -> Path:
        """Held by the command that runs the study."""
        return self.root / ".lock"

    @property
    def step_seconds(self) -> Path:
        """Seconds that a step of each arm was measured to take."""
        return self.root / "step_seconds.json"

    @property
    def report(self) -> Path:
        """The page with its figures and tables."""
        return self.root / "report"

    @property
    def page(self) -> Path:
        """The page itself."""
        return self.report / "index.html"

    def run(self, planned: PlannedRun) -> RunDirectory:
        """The run directory of a planned run."""
        return RunDirectory(self.root / planned.place)

    def attempts(self, planned: PlannedRun) -> Path:
        """When a run was begun and how that ended, one JSON object per line."""
        return self.attempts_at(planned.place)

    def attempts_at(self, place: Path) -> Path:
        """The same of the run at a place within the directory of the study."""
        own = Path("attempts", *place.parts[1:])
        return self.root / own.with_name(f"{own.name}.jsonl")

    def log(self, planned: PlannedRun) -> Path:
        """What the processes of a run printed."""
        return self.attempts(planned).with_suffix(".log")

    def state_of(self, planned: PlannedRun, measured: str) -> RunState:
        """How far a run is.

        Args:
            planned: the run.
            measured: fingerprint of what the study asks to be measured.

        Raises:
            UserError: a file of it is damaged.
        """
        attempts = read_attempts(self.attempts(planned))
        last = attempts[-1] if attempts else None
        step = self.step_of(planned)
        state, message = State.WAITING, ""
        if last is None:
            state = State.WAITING if step == 0 else State.INTERRUPTED
        elif last.event == "begin":
            state = State.RUNNING if is_held(self.attempts(planned)) else State.DEAD
        elif last.outcome == "finished":
            is_complete = last.measured == measured and self.run(planned).metrics.is_file()
            state = State.FINISHED if is_complete else State.INTERRUPTED
        else:
            state, message = State(last.outcome), last.message
        begun = sum(one.event == "begin" for one in attempts)
        return RunState(run=planned, state=state, step=step, num_attempts=begun, message=message)

    def step_of(self, planned: PlannedRun) -> int:
        """Optimizer steps of a run that were logged."""
        run = self.run(planned)
        lines = read_metrics(run.metrics) if run.metrics.is_file() else []
        return int(lines[-1]["step"]) if lines else 0

    def states(self, runs: Sequence[PlannedRun], measured: str) -> list[RunState]:
        """How far each of some runs is."""
        return [self.state_of(planned, measured) for planned in runs]
