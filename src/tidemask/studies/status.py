"""How far a study is, and what the rest of it will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidemask.studies.definition import StudyDefinition
from tidemask.studies.directory import RunState, State
from tidemask.studies.planning import PlannedRun

if TYPE_CHECKING:
    from tidemask.studies.step_costs import MeasuredStep


@dataclass(frozen=True, kw_only=True)
class StudyStatus:
    """How far a study is.

    Attributes:
        definition: what it is.
        directory: where it is.
        states: of its runs, in their order.
        notes: what a user should know of it, one sentence each.
        verdicts: of the page as it was last written, on each arm, in words.
        page: the HTML page; `None` if it was never written.
        page_problem: why the command that has just ended did not write it; empty if it did.
    """

    definition: StudyDefinition
    directory: Path
    states: tuple[RunState, ...]
    notes: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    page: Path | None = None
    page_problem: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether every run is trained and measured."""
        return all(one.state is State.FINISHED for one in self.states)


@dataclass(frozen=True, kw_only=True)
class StudyForecast:
    """What a study will take.

    Attributes:
        status: how far it is.
        measured: a step of each arm and what it saves, by names of corpus and arm.
        jobs: runs at once.
    """

    status: StudyStatus
    measured: Mapping[tuple[str, str], MeasuredStep]
    jobs: int

    @property
    def seconds(self) -> float:
        """Of training what is left; measuring held-out text and tasks comes to it."""
        return sum(map(self.seconds_of, self.status.states)) / self.jobs

    def seconds_of(self, state: RunState) -> float:
        """Of training what is left of a run."""
        if state.state is State.FINISHED:
            return 0.0
        return (state.run.num_steps - state.step) * self.step_of(state).seconds

    @property
    def num_bytes(self) -> int:
        """On the disk while the study goes on: all final models, and checkpoints of what runs."""
        kept = sum(self.step_of(state).model_bytes for state in self.status.states)
        largest = max(
            self.step_of(state).checkpoint_bytes * _num_checkpoints(state.run)
            for state in self.status.states
        )
        return kept + self.jobs * largest

    def step_of(self, state: RunState) -> MeasuredStep:
        """What was measured of the arm of a run."""
        return self.measured[state.run.corpus_name, state.run.arm]


def _num_checkpoints(run: PlannedRun) -> int:
    """How many checkpoints lie on the disk at a time: those that are kept, and one more."""
    training = run.recipe.training
    saved = -(-training.num_steps // training.save_steps)
    return min(saved, training.keep_checkpoints + 1) if training.keep_checkpoints else saved
