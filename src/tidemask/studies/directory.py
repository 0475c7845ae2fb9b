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
from tidemask.studies.attempts import Attempt, measured_marks, read_attempts
from tidemask.studies.heartbeat import living
from tidemask.studies.kept_configs import kept_config
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
        needs_repair: whether its settings cannot be read, or the end of its metrics is gone, so
            that nothing goes on with it.
        is_damaged: whether any of its files cannot be read, so that nothing is known of its end.
        is_refused: whether it failed as a disk or a network drive refused something, such as room.
    """

    run: PlannedRun
    state: State
    step: int
    num_attempts: int
    message: str = ""
    needs_repair: bool = False
    is_damaged: bool = False
    is_refused: bool = False


@dataclass(frozen=True)
class _Recorded:
    """What the files of a run say.

    Attributes:
        attempts: at the run, in their order.
        step: optimizer steps that were logged.
        damage: what is wrong with its settings or missing; empty where nothing is.
    """

    attempts: tuple[Attempt, ...]
    step: int
    damage: str = ""


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
        """How far a run is, as `states` has it."""
        return self.states([planned], marks)[0]

    def states(self, runs: Sequence[PlannedRun], marks: Collection[str]) -> list[RunState]:
        """How far each of some runs is; a file of one that is damaged is named in its message.

        Args:
            runs: of the study.
            marks: of what the study asks to be measured, see `measurement_marks`.
        """
        found = {planned: self._recorded(planned) for planned in runs}
        begun = {
            self.attempts(planned): last.host
            for planned, record in found.items()
            if not isinstance(record, str) and (last := _unended(record.attempts))
        }
        alive = living(begun)
        for planned in runs:
            if self.attempts(planned) in begun.keys() - alive:  # it may have ended just now
                found[planned] = self._recorded(planned)
        return [self._state(planned, found[planned], marks, alive) for planned in runs]

    def _recorded(self, planned: PlannedRun) -> _Recorded | str:
        """What the files of a run say; or what is wrong with them."""
        try:
            attempts = tuple(read_attempts(self.attempts(planned)))
            step = self.step_of(planned)
        except UserError as error:
            return str(error)
        try:
            damage = _damage(self.run(planned), step)
        except UserError as error:
            damage = str(error)
        return _Recorded(attempts, step, damage)

    def _state(
        self,
        planned: PlannedRun,
        record: _Recorded | str,
        marks: Collection[str],
        alive: Collection[Path],
    ) -> RunState:
        if isinstance(record, str):
            return RunState(
                run=planned,
                state=State.FAILED,
                step=0,
                num_attempts=0,
                message=record,
                is_damaged=True,
            )
        attempts = record.attempts
        if _unended(attempts) and self.attempts(planned) in alive:
            state = State.RUNNING
        elif record.damage:
            state = State.FAILED
        elif _unended(attempts):
            state = State.DEAD
        else:
            state = self._state_at_rest(planned, record, marks)
        is_failed = state is State.FAILED
        return RunState(
            run=planned,
            state=state,
            step=record.step,
            num_attempts=sum(one.event == "begin" for one in attempts),
            message=record.damage or attempts[-1].message if is_failed else "",
            needs_repair=is_failed and bool(record.damage),
            is_damaged=is_failed and bool(record.damage),
            is_refused=is_failed and not record.damage and attempts[-1].is_refused,
        )

    def _state_at_rest(
        self, planned: PlannedRun, record: _Recorded, marks: Collection[str]
    ) -> State:
        """How far a run is whose last attempt has ended."""
        if not record.attempts:
            return State.WAITING if record.step == 0 else State.INTERRUPTED
        if record.attempts[-1].outcome == "failed":
            return State.FAILED
        if not self.run(planned).config.is_file():
            return State.WAITING
        measured = measured_marks(record.attempts)
        is_whole = measured is not None and measured.issuperset(marks)
        return (
            State.FINISHED if is_whole and record.step >= planned.num_steps else State.INTERRUPTED
        )

    def step_of(self, planned: PlannedRun) -> int:
        """Optimizer steps of a run that were logged; 0 before the first.

        Raises:
            UserError: the last line of its metrics is damaged.
        """
        metrics = self.run(planned).metrics
        return last_step(metrics) if metrics.is_file() else 0


def _damage(run: RunDirectory, step: int) -> str:
    """What is missing of a run that was trained, and how to go on; empty if nothing is.

    Args:
        run: of a study.
        step: of its last line of metrics.

    Raises:
        UserError: its settings are damaged.
    """
    then = f"Restore the file, or delete {run.root} to train the run again."
    config = kept_config(run)
    if config is None:
        trained = [run.model, run.metrics, *(path for _, path in run.checkpoints())]
        left = next((path.name for path in trained if path.exists()), None)
        return (
            f"run without settings: {run.config} is missing beside {left}. {then}" if left else ""
        )
    if run.model.exists() and step < (planned := config.training.num_steps):
        return (
            f"metrics without the end of the run: {run.metrics} has no step after {step} of "
            f"{planned}, and the final model is there. {then}"
        )
    return ""


def _unended(attempts: Sequence[Attempt]) -> Attempt | None:
    """The last attempt, if nothing says that it ended."""
    return attempts[-1] if attempts and attempts[-1].event == "begin" else None
