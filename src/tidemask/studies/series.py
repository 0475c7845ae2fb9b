"""The runs of a study, one after the other or several at once, until all are finished."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from tidemask.progress.display import ProgressDisplay
from tidemask.studies.definition import StudyDefinition
from tidemask.studies.directory import RunState, State, StudyDirectory
from tidemask.studies.engines import Engine
from tidemask.studies.planning import PlannedRun
from tidemask.studies.worker import RunJob
from tidemask.training.signals import Interrupted, StopRequest

_LOOK_SECONDS = 0.5


@dataclass
class Series:
    """Trains what is left of a study.

    Attributes:
        study: its definition.
        directory: where it is.
        runs: in their order.
        measured: fingerprint of what is measured of each.
        engine: where runs are trained.
        jobs: how many at once.
        display: shows the progress of the whole series.
        stop_request: says when to stop.
        on_finished: called after runs have ended, for better or worse, and others have begun.
        on_waiting: called a few times a second while runs go on.
    """

    study: StudyDefinition
    directory: StudyDirectory
    runs: Sequence[PlannedRun]
    measured: str
    engine: Engine
    jobs: int
    display: ProgressDisplay
    stop_request: StopRequest
    on_finished: Callable[[], None]
    on_waiting: Callable[[], None]
    _steps: dict[PlannedRun, int] = field(default_factory=dict)
    _has_news: bool = False
    _running: dict[Future[int], PlannedRun] = field(default_factory=dict)

    def run(self) -> None:
        """Train all that is not finished; a run that fails does not stop the others.

        Raises:
            Interrupted: it was asked to stop, and every run has saved its state.
        """
        states = self.directory.states(self.runs, self.measured)
        self._steps = {s.run: s.step for s in states}
        waiting = deque(s.run for s in states if s.state not in (State.FINISHED, State.RUNNING))
        for state in states:
            if state.state is State.RUNNING:
                self.display.on_note(f"{state.run.name} is trained by another process; left to it.")
        retries = dict.fromkeys(self.runs, self.study.retries)
        is_stopping = False
        while waiting or self._running:
            if self.stop_request.received is not None and not is_stopping:
                self.engine.stop()
                waiting.clear()
                is_stopping = True
            while waiting and len(self._running) < self.jobs:
                planned = waiting.popleft()
                self._running[self._submit(planned)] = planned
            self._refresh(is_stopping)
            for planned in self._ended():
                state = self.directory.state_of(planned, self.measured)
                if state.state is State.DEAD and retries[planned] and not is_stopping:
                    retries[planned] -= 1
                    self.display.on_note(f"{planned.name} died; it is begun again.")
                    waiting.appendleft(planned)
                    continue
                self._tell(state)
                self._has_news = True
            self._show()
        if self.stop_request.received is not None:
            raise Interrupted(self.stop_request.received)

    def _refresh(self, is_stopping: bool) -> None:
        """Let the page be written, with all processes at work."""
        if is_stopping:
            return
        if self._has_news:
            self.on_finished()
        self._has_news = False
        self.on_waiting()

    def _submit(self, planned: PlannedRun) -> Future[int]:
        job = RunJob(
            corpus=str(planned.corpus),
            recipe=planned.recipe,
            out=str(self.directory.run(planned).root),
            attempts=str(self.directory.attempts(planned)),
            evaluation=self.study.evaluation,
            measured=self.measured,
            with_random=planned.with_random,
            processes=self.study.processes,
            jobs=self.jobs,
        )
        return self.engine.submit(job, self.directory.log(planned))

    def _ended(self) -> list[PlannedRun]:
        done, _ = wait(self._running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        return [self._running.pop(future) for future in done]

    def _tell(self, state: RunState) -> None:
        """Say what a user should know of a run that ended."""
        if state.state is State.FAILED:
            self.display.on_note(f"{state.run.name} failed: {state.message}")
        elif state.state is State.DEAD:
            log = self.directory.log(state.run)
            self.display.on_note(f"{state.run.name} died without a word; see the end of {log}.")

    def _show(self) -> None:
        """One line for the whole series, in optimizer steps."""
        for planned in self._running.values():
            self._steps[planned] = self.directory.step_of(planned)
        total = sum(planned.num_steps for planned in self.runs)
        self.display.on_progress("study", sum(self._steps.values()), total)
