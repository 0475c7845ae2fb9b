"""A study with its runs: what is to be trained, how long each run is, and that it is trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tidemask.errors import UserError
from tidemask.files.atomic import write_atomically
from tidemask.progress import ignore
from tidemask.progress.display import ProgressDisplay
from tidemask.studies.agreement import (
    check_corpora,
    check_runs,
    leftover_note,
    locked,
    to_yaml,
)
from tidemask.studies.definition import StudyDefinition
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.engines import Engine
from tidemask.studies.lengths import equal_lengths, own_lengths
from tidemask.studies.measuring import (
    check_checkpoints,
    check_measurements,
    measurement_marks,
)
from tidemask.studies.page import StudyPage, last_verdicts
from tidemask.studies.planning import PlannedRun, arm_recipes, planned_runs, unequal_settings
from tidemask.studies.series import Series
from tidemask.studies.status import StudyStatus
from tidemask.studies.step_costs import MeasuredStep, cost_key, kept_costs, step_costs
from tidemask.training.signals import StopRequest

Measure = Callable[[str, str], MeasuredStep]
"""Measures a step of an arm on a corpus, both by name."""


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A study with its runs.

    Attributes:
        study: its definition, with absolute paths.
        directory: where it is.
        runs: in their order.
        marks: of what is measured of each run.
        notes: what a user should know of it, one sentence each.
        costs: of a step of each arm, by `cost_key`.
    """

    study: StudyDefinition
    directory: StudyDirectory
    runs: tuple[PlannedRun, ...]
    marks: frozenset[str]
    notes: tuple[str, ...]
    costs: Mapping[str, float]

    def status(self) -> StudyStatus:
        """How far it is."""
        page, notes = self.directory.page, self.notes
        verdicts: tuple[str, ...] = ()
        try:
            verdicts = last_verdicts(self.directory)
        except UserError as error:  # the page is written again when the study is
            notes = (*notes, f"Verdicts are not shown: {error}")
        return StudyStatus(
            definition=self.study,
            directory=self.directory.root,
            states=tuple(self.directory.states(self.runs, self.marks)),
            notes=notes,
            verdicts=verdicts,
            page=page if page.is_file() else None,
        )

    def check(self) -> None:
        """Refuse a plan that its directory, its corpora or its tasks do not fit."""
        check_corpora(self.directory, self.study)
        check_runs(self.directory, self.runs)
        if self.study.evaluation.tasks and not self.status().is_finished:
            check_measurements(self.study)

    def train(
        self,
        *,
        engine: Engine,
        jobs: int,
        display: ProgressDisplay,
        stop_request: StopRequest,
        page: StudyPage | None = None,
    ) -> Sequence[str]:
        """Train and measure every run that is not finished, and keep what the study is.

        Args:
            engine: where runs are trained.
            jobs: how many at once.
            display: shows the progress of the whole series.
            stop_request: says when to stop.
            page: written while runs go on and at the end; `None` for a study without one.

        Returns:
            A sentence for each run whose end could not be recorded for want of room.

        Raises:
            Interrupted: it was asked to stop, and every run has saved its state.
            UserError: another process runs the study, or the directory holds something else.
        """
        with locked(self.directory, self.study), stop_request.deferred():
            write_atomically(self.directory.step_costs, f"{json.dumps(self.costs, indent=2)}\n")
            write_atomically(self.directory.definition, to_yaml(self.study))
            series = Series(
                study=self.study,
                directory=self.directory,
                runs=self.runs,
                marks=self.marks,
                engine=engine,
                jobs=jobs,
                display=display,
                stop_request=stop_request,
                on_finished=page.after_run if page else ignore,
                on_waiting=page.while_running if page else ignore,
            )
            series.run()
            if page:
                page.write()
            return series.unrecorded


def plan_of(study: StudyDefinition, directory: StudyDirectory, measure: Measure) -> StudyPlan:
    """The runs that a study asks for.

    Args:
        study: with absolute paths.
        directory: where it is, or will be.
        measure: called where arms are to spend equal seconds, and it is not known what a step does.

    Raises:
        UserError: a recipe, a setting or a corpus is wrong, or no run meets the budget.
    """
    recipes = arm_recipes(study)
    kept = kept_costs(directory.step_costs)
    costs = step_costs(study, recipes, kept, lambda *names: measure(*names).seconds)
    by_arm = {
        (corpus, arm): costs.get(cost_key(study, corpus, arm, recipe), 1.0)
        for corpus in study.corpora
        for arm, recipe in recipes.items()
    }
    own = own_lengths(study, recipes)
    try:
        lengths = equal_lengths(study, own, by_arm)
    except UserError as error:
        if not costs.keys() & kept.keys():
            raise
        raise UserError(f"{error} Costs of a step are those in {directory.step_costs}.") from error
    runs = planned_runs(study, recipes, lengths)
    for planned in runs:
        check_checkpoints(study.evaluation, planned.arm, planned.recipe)
    notes = [*unequal_settings(recipes, study.baseline), *leftover_note(directory, runs)]
    if len(study.seeds) == 1:
        notes.append("One seed supports no interval; five pairs or more do.")
    return StudyPlan(
        study=study,
        directory=directory,
        runs=tuple(runs),
        marks=frozenset(measurement_marks(study.evaluation).values()),
        notes=tuple(notes),
        costs=costs,
    )
