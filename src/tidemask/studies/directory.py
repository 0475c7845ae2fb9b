"""The directory of a study, and what is known of each of its runs.

definition.yaml         the definition, with absolute paths
runs/ARM/seed-N/        run directories (runs/CORPUS/ARM/seed-N/ for several corpora)
attempts/ARM/           seed-N.jsonl, when a run was begun and how that ended; seed-N.log
step_costs.json         what a step of each arm costs, where not all have equal steps
report/                 the page, rewritten after every run
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tidemask.errors import UserError
from tidemask.run_record import RunDirectory, last_step
from tidemask.studies.attempts import Attempt, is_alive, measured_marks, read_attempts
from tidemask.studies.planning import PlannedRun


class State(StrEnum):
    """How far a run of a study is."""

    WAITING = "waiting"
    """It was never begun, or its directory was deleted."""
    RUNNING = "running"
    """A process works on it."""
    INTERRUPTED = "interrupted"
    """It was stopped in order, or more is to be measured of it."""
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
        message: why it failed, or which of its files is damaged.
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
    def step_costs(self) -> Path:
        """What a step of each arm costs, where the arms do not have equal steps."""
        return self.root / "step_costs.json"

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

    def state_of(self, planned: PlannedRun, marks: Collection[str]) -> RunState:
        """How far a run is; a file of it that is damaged is named in the message.

        Args:
            planned: the run.
            marks: of what the study asks to be measured, see `measurement_marks`.
        """
        try:
            attempts, step = read_attempts(self.attempts(planned)), self.step_of(planned)
        except UserError as error:
            return RunState(
                run=planned, state=State.FAILED, step=0, num_attempts=0, message=str(error)
            )
        state = self._state(planned, attempts, step, marks)
        return RunState(
            run=planned,
            state=state,
            step=step,
            num_attempts=sum(one.event == "begin" for one in attempts),
            message=attempts[-1].message if state is State.FAILED else "",
        )

    def _state(
        self, planned: PlannedRun, attempts: Sequence[Attempt], step: int, marks: Collection[str]
    ) -> State:
        if not attempts:
            return State.WAITING if step == 0 else State.INTERRUPTED
        last = attempts[-1]
        if last.event == "begin":
            is_running = is_alive(self.attempts(planned), last)
            return State.RUNNING if is_running else State.DEAD
        if last.outcome == "failed":
            return State.FAILED
        if not self.run(planned).config.is_file():
            return State.WAITING
        measured = measured_marks(attempts)
        if measured is None or step < planned.num_steps or not measured.issuperset(marks):
            return State.INTERRUPTED
        return State.FINISHED

    def step_of(self, planned: PlannedRun) -> int:
        """Optimizer steps of a run that were logged; 0 before the first.

        Raises:
            UserError: the last line of its metrics is damaged.
        """
        metrics = self.run(planned).metrics
        return last_step(metrics) if metrics.is_file() else 0

    def states(self, runs: Sequence[PlannedRun], marks: Collection[str]) -> list[RunState]:
        """How far each of some runs is."""
        return [self.state_of(planned, marks) for planned in runs]
