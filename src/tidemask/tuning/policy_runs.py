"""The runs of policies: a study for each rung and for the final, over one set of settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemask.errors import UserError
from tidemask.evaluation_files import read_metrics_of
from tidemask.run_record import FINAL, HELD_OUT_TASK, MEAN_LOSS
from tidemask.studies.definition import Arm, StudyDefinition
from tidemask.studies.directory import RunState, State, StudyDirectory
from tidemask.studies.engines import Engine
from tidemask.studies.lengths import length_of
from tidemask.studies.paths import resolved_paths
from tidemask.studies.planning import read_trainable
from tidemask.studies.step_costs import MeasuredStep
from tidemask.studies.study_plan import StudyPlan, plan_of
from tidemask.tuning.clock import TimedRequest
from tidemask.tuning.definition import TuneDefinition
from tidemask.tuning.policies import Policy, known_policies
from tidemask.tuning.search_display import SearchDisplay

SEARCH_SEED = 0
"""Of the runs of all rungs. The final has others, so that luck of weights and order is not there;
nor is luck of the text, where there is enough of it for a half of its own."""

COMPRESSED = ("training.lr_warmup_steps=auto", "training.lr_decay_steps=auto")
"""The learning rate keeps its shape in a run of any length: as shares of it."""


def settings_in_rung(num_steps: int, *, is_split: bool) -> list[str]:
    """Settings under the user's own of a run whose loss is to rank it, for which a sample does.

    Args:
        num_steps: of the run.
        is_split: whether the final has other held-out text; see `TuneDefinition`.
    """
    sample = ["evaluation.final_sequences=256", "evaluation.sequences=16"]
    half = ["evaluation.part=even"] if is_split else []
    return [*half, *sample, f"evaluation.every_steps={num_steps}", *_QUICK]


def settings_in_final(num_steps: int, *, is_split: bool) -> list[str]:
    """Settings under the user's own of a run of the final, with a curve of four points.

    Args:
        num_steps: of the run.
        is_split: as of `settings_in_rung`.
    """
    half = ["evaluation.part=odd"] if is_split else []
    every = f"evaluation.every_steps={max(1, num_steps // 4)}"
    return [*half, "evaluation.sequences=128", every, *_QUICK]


_QUICK = ("evaluation.final_draws=1", "training.report_to=none")


@dataclass(frozen=True, kw_only=True)
class PolicyRuns:
    """Trains policies.

    Attributes:
        definition: what is searched.
        engine: where runs are trained.
        jobs: how many at once.
        display: shows what goes wrong.
        stop_request: says when to stop.
    """

    definition: TuneDefinition
    engine: Engine
    jobs: int
    display: SearchDisplay
    stop_request: TimedRequest

    def in_rung(
        self,
        directory: StudyDirectory,
        policies: Sequence[Policy],
        *,
        baseline: Policy,
        num_steps: int,
    ) -> dict[Policy, float | None]:
        """Train policies in a rung, beside those that are there.

        Args:
            directory: of the rung.
            policies: to be trained; a finished one is not trained again.
            baseline: the arm that others are compared with, if the rung is new.
            num_steps: of each run.

        Returns:
            What was measured of each: nats; `None` of one that failed.

        Raises:
            Interrupted: it was asked to stop, and every run has saved its state.
        """
        before = read_trainable(directory.definition) if directory.definition.is_file() else None
        arms = self._finished_arms(directory, before) if before else {}
        arms |= {policy.name: self._arm(policy) for policy in policies}
        name = before.baseline if before else baseline.name
        arms.setdefault(name, before.arms[name] if before else self._arm(baseline))
        if len(arms) == 1:  # a study has two arms at least
            added = next(one for one in known_policies(()) if one.name not in arms)
            arms[added.name] = self._arm(added)
        study = StudyDefinition(
            question=f"Which policies are the best after {num_steps:,} steps?",
            corpus=self.definition.corpus,
            arms=arms,
            baseline=name,
            seeds=(SEARCH_SEED,),
            settings=self._settings(settings_in_rung, num_steps),
        )
        states = self._trained(directory, study)
        by_arm = {state.run.arm: self._loss(directory, state) for state in states}
        return {policy: by_arm[policy.name] for policy in policies}

    def final(
        self,
        directory: StudyDirectory,
        policies: Sequence[Policy],
        *,
        num_steps: int,
        seeds: Sequence[int],
    ) -> Sequence[RunState]:
        """Train finalists, the first of which is the baseline, with several seeds.

        Args:
            directory: of the final.
            policies: those of a final that has begun hold.
            num_steps: of each run.
            seeds: of each.

        Raises:
            Interrupted: it was asked to stop, and every run has saved its state.
        """
        study = StudyDefinition(
            question="Which masking policy is the best for this corpus, model and budget?",
            corpus=self.definition.corpus,
            arms={policy.name: self._arm(policy) for policy in policies},
            baseline=policies[0].name,
            seeds=tuple(seeds),
            settings=self._settings(settings_in_final, num_steps),
        )
        return self._trained(directory, study)

    def kept(self, directory: StudyDirectory) -> Sequence[RunState]:
        """How far the runs of the final are; none where it has not begun."""
        if not directory.definition.is_file():
            return ()
        return _readable_states(plan_of(read_trainable(directory.definition), directory, _unasked))

    def write_page(self, directory: StudyDirectory) -> None:
        """Write the page of the final.

        Raises:
            UserError: it could not be written, or a run cannot be read, without which the answer
                would be another; the same command writes it again.
            OSError: so did the system say, of a full disk for example.
        """
        from tidemask.studies.comparison import compare

        found = compare(directory.root, out=directory.report)
        if found.left_out:
            raise UserError(f"{found.left_out[0]} Repair it, then give the command again.")

    def _trained(self, directory: StudyDirectory, study: StudyDefinition) -> Sequence[RunState]:
        plan = plan_of(resolved_paths(study, Path.cwd()), directory, _unasked)
        plan.check()
        _readable_states(plan)
        unrecorded = plan.train(
            engine=self.engine,
            jobs=self.jobs,
            display=self.display,
            stop_request=self.stop_request,
        )
        states = plan.status().states
        refused = [f"{one.run.name} failed: {one.message}" for one in states if one.is_refused]
        if refused := [*refused, *unrecorded]:
            raise UserError(
                f"{refused[0]} Give the command of the search again, not one for that run: no "
                "policy has failed by this."
            )
        return states

    def _finished_arms(self, directory: StudyDirectory, before: StudyDefinition) -> dict[str, Arm]:
        """Arms of a rung whose runs are finished; those that failed are not tried again."""
        states = _readable_states(plan_of(before, directory, _unasked))
        finished = {one.run.arm for one in states if one.state is State.FINISHED}
        return {name: arm for name, arm in before.arms.items() if name in finished}

    def _arm(self, policy: Policy) -> Arm:
        return Arm(recipe=self.definition.recipe, overrides=policy.overrides)

    def _settings(self, under: Callable[..., list[str]], num_steps: int) -> tuple[str, ...]:
        own = self.definition
        settings = under(num_steps, is_split=own.is_split)
        return (*settings, *own.settings, *COMPRESSED, *length_of(num_steps))

    def _loss(self, directory: StudyDirectory, state: RunState) -> float | None:
        if state.state is not State.FINISHED:
            return None
        run = directory.run(state.run)
        metrics = read_metrics_of(run, HELD_OUT_TASK, FINAL, needed=[MEAN_LOSS])
        return None if metrics is None else metrics[MEAN_LOSS]


def _readable_states(plan: StudyPlan) -> Sequence[RunState]:
    """How far the runs of a plan are, if that can be read.

    A run that was trained does not count as failed because one of its files was damaged since, nor
    as one for which there was no time because its result is gone.

    Raises:
        UserError: a file of a run is damaged, or the result of one that is finished is missing;
            what was found so far stays as it is.
    """
    states = plan.status().states
    for one in states:
        if one.is_damaged:
            raise UserError(f"{one.message} Then give the command again.")
        run = plan.directory.run(one.run)
        result = run.result(HELD_OUT_TASK, FINAL)
        if one.state is State.FINISHED and not result.is_file():
            raise UserError(
                f"result of a finished run is missing: {result}. Restore the file, or delete "
                f"{run.root} to train the run again. Then give the command again."
            )
    return states


def _unasked(corpus: str, arm: str) -> MeasuredStep:
    raise AssertionError(f"arms of equal steps need no cost of one: {corpus} {arm}")
