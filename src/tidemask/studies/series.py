"""The runs of a study, one after the other or several at once, until all are finished."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tidemask.errors import UserError
from tidemask.progress.display import ProgressDisplay
from tidemask.progress.line import Part
from tidemask.reading import ANY_LENGTH, read_bytes
from tidemask.studies.definition import StudyDefinition
from tidemask.studies.directory import RunState, State, StudyDirectory
from tidemask.studies.engines import Engine
from tidemask.studies.machines import recipe_in_kept_precision
from tidemask.studies.planning import PlannedRun
from tidemask.studies.worker import RunJob
from tidemask.system_errors import refusal_of_room
from tidemask.training.signals import Interrupted, StopRequest

_LOOK_SECONDS = 0.5
_STAGE = "study"
_LAST_BYTES = 1 << 12


@dataclass
class Series:
    """Trains what is left of a study.

    Attributes:
        study: its definition.
        directory: where it is.
        runs: in their order.
        marks: of what is measured of each.
        engine: where runs are trained.
        jobs: how many at once.
        display: shows the progress of the whole series.
        stop_request: says when to stop.
        on_finished: called after runs have ended, for better or worse, and others have begun.
        on_waiting: called a few times a second while runs go on.
        unrecorded: a sentence for each run whose end could not be recorded for want of room.
    """

    study: StudyDefinition
    directory: StudyDirectory
    runs: Sequence[PlannedRun]
    marks: Collection[str]
    engine: Engine
    jobs: int
    display: ProgressDisplay
    stop_request: StopRequest
    on_finished: Callable[[], None]
    on_waiting: Callable[[], None]
    unrecorded: list[str] = field(default_factory=list)
    _waiting: deque[PlannedRun] = field(default_factory=deque)
    _running: dict[Future[int], PlannedRun] = field(default_factory=dict)
    _over: set[PlannedRun] = field(default_factory=set)
    _held: set[PlannedRun] = field(default_factory=set)
    _retries: dict[PlannedRun, int] = field(default_factory=dict)
    _steps: dict[PlannedRun, int] = field(default_factory=dict)
    _has_news: bool = False

    def run(self) -> None:
        """Train all that is not finished; a run that fails does not stop the others.

        Raises:
            Interrupted: it was asked to stop, and every run has saved its state.
            OSError: a process could not be started, or its log not be written.
        """
        states = self.directory.states(self.runs, self.marks)
        self._steps = {one.run: one.step for one in states}
        self._over = {one.run for one in states if one.state is State.FINISHED or one.needs_repair}
        for one in states:
            if one.needs_repair:
                self.display.on_note(f"{one.run.name} failed: {one.message}")
        self._waiting.extend(one.run for one in states if one.run not in self._over)
        self._retries = dict.fromkeys(self.runs, self.study.retries)
        while self._waiting or self._running:
            if self.stop_request.received is not None:
                self.engine.stop()
                self._waiting.clear()
            self._begin()
            self._refresh()
            for planned, status in self._ended():
                self._take(planned, status)
            self._show()
        if self.stop_request.received is not None and len(self._over) < len(self.runs):
            raise Interrupted(self.stop_request.received)

    def _refresh(self) -> None:
        """Let the page be written, with all processes at work."""
        if self.stop_request.received is not None:
            return
        if self._has_news:
            self.on_finished()
        self._has_news = False
        self.on_waiting()

    def _begin(self) -> None:
        """Begin as many as there is room for, in their order.

        What a process of an earlier command still saves is waited for; others go before it.
        """
        for planned in list(self._waiting):
            if len(self._running) >= self.jobs:
                return
            if self.directory.state_of(planned, self.marks).state is State.RUNNING:
                if planned not in self._held:
                    self.display.on_note(
                        f"{planned.name} is still worked on by another process; it is waited for."
                    )
                self._held.add(planned)
                continue
            self._waiting.remove(planned)
            self._running[self.engine.submit(self._job(planned), self.directory.log(planned))] = (
                planned
            )

    def _job(self, planned: PlannedRun) -> RunJob:
        return RunJob(
            corpus=str(planned.corpus),
            recipe=recipe_in_kept_precision(self.directory, self.runs, planned),
            out=str(self.directory.run(planned).root),
            attempts=str(self.directory.attempts(planned)),
            evaluation=self.study.evaluation,
            with_random=planned.with_random,
            processes=self.study.processes,
            jobs=self.jobs,
        )

    def _ended(self) -> list[tuple[PlannedRun, int]]:
        if not self._running:  # all that is left is held by others
            time.sleep(_LOOK_SECONDS)
        done, _ = wait(self._running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        return [(self._running.pop(future), future.result()) for future in done]

    def _take(self, planned: PlannedRun, status: int) -> None:
        """Decide what becomes of a run whose process has ended.

        Args:
            planned: the run.
            status: exit status of the process; negative for a signal.
        """
        is_stopping = self.stop_request.received is not None
        self._look_at(planned)
        state = self.directory.state_of(planned, self.marks)
        if state.state is State.RUNNING:
            if not is_stopping:
                self._waiting.appendleft(planned)
            return
        if state.state not in (State.FINISHED, State.FAILED):
            if is_stopping:
                return
            if refused := status > 0 and refusal_of_room(self.directory.log(planned).parent):
                self.unrecorded.append(f"{planned.name} failed: {refused}, and begin it again.")
                self.display.on_note(self.unrecorded[-1])
            else:
                self.display.on_note(f"{planned.name} ended early: {self._why(state, status)}")
            if self._retries[planned] and not refused:
                self._retries[planned] -= 1
                self._waiting.appendleft(planned)
                return
        elif state.state is State.FAILED:
            self.display.on_note(f"{planned.name} failed: {state.message}")
        self._over.add(planned)
        self._has_news = True

    def _why(self, state: RunState, status: int) -> str:
        """How a process ended that did not finish its run, and what becomes of it."""
        then = "it is begun again" if self._retries[state.run] else "it is left as it is"
        if status < 0:
            return f"{signal.strsignal(-status)} (signal {-status}); {then}."
        if state.state is State.INTERRUPTED:
            return f"it was asked to stop, though the study was not; {then}."
        said = _last_line(self.directory.log(state.run)) or f"status {status}"
        return f"{said.rstrip('.')}; {then}."

    def _show(self) -> None:
        """One line for the whole series, in optimizer steps; what failed is not counted as left."""
        for planned in self._running.values():
            self._look_at(planned)
        current = [f"{run.name} at {self._steps[run]:,}" for run in self._running.values()]
        counted = f"{len(self._over)} of {len(self.runs)} runs"
        details = [Part(7, counted, counted.removesuffix(" runs").replace(" of ", "/"))]
        if current:
            brief = current[0] if len(current) == 1 else f"{len(current)} at once"
            details.append(Part(5, ", ".join(current), brief))
        self.display.on_detail(_STAGE, details)
        total = sum(self._steps[run] if run in self._over else run.num_steps for run in self.runs)
        done = sum(self._steps.values())
        is_over = len(self._over) == len(self.runs)  # after the last step a run is measured
        self.display.on_progress(_STAGE, done if is_over else min(done, total - 1), total)

    def _look_at(self, planned: PlannedRun) -> None:
        """Note its step; what is done twice after a kill does not count down."""
        with suppress(UserError):  # a damaged file, of which the run itself will say so
            step = self.directory.step_of(planned)
            self._steps[planned] = max(self._steps[planned], step)


def _last_line(log: Path) -> str:
    """The last line that a process printed."""
    try:
        said = (
            read_bytes(log, ANY_LENGTH, "unreadable log")[-_LAST_BYTES:]
            .decode(errors="replace")
            .strip()
        )
    except (OSError, UserError):
        return ""
    return said.splitlines()[-1] if said else ""
