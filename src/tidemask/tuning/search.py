"""The record of a search in Optuna's storage: what was tried, what is tried next, how it did.

Each run of a policy at a rung is a trial of one study of Optuna: it reports its loss at the number
of its rung, and ends there, so that the sampler takes trials of a higher rung for better ones. A
policy that goes on to the next rung is queued as a new trial of that rung. Several commands may
share a storage: each takes from one queue, and the sampler learns from all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tidemask.tuning.policies import Content, Policy, known_policies, suggested
from tidemask.tuning.recorded_trials import (
    FIXED,
    PLACE,
    PLAN,
    RUNG,
    check_record,
    recorded_plan,
    recorded_policy,
)
from tidemask.tuning.storage import check_optuna, opened_study
from tidemask.tuning.time_plan import TimePlan

_RANDOM_TRIALS = 10
"""Trials, the known policies among them, before the sampler has anything to learn from."""


@dataclass(frozen=True, kw_only=True)
class PolicyTrial:
    """A policy that is to be trained.

    Attributes:
        number: of its trial.
        policy: what is trained.
        rung: at which length, from 1.
    """

    number: int
    policy: Policy
    rung: int


class PolicySearch:
    """A search that was opened; see `open_search`.

    Args:
        optuna: the module.
        study: of Optuna.
        contents: which weightings are searched.
        place: of the runs of this command, by which it knows its own trials.
        is_shared: whether other commands may add trials to the study.
    """

    def __init__(
        self, optuna: Any, study: Any, contents: Sequence[Content], place: str, *, is_shared: bool
    ) -> None:
        self._optuna, self._study = optuna, study
        self._contents, self._place, self._is_shared = contents, place, is_shared
        self._running: dict[int, Any] = {}

    @property
    def plan(self) -> TimePlan | None:
        """The division of the time that the search was begun with; `None` before.

        Of two commands that begin together that one's holds whose trial has the lower number.
        """
        return recorded_plan(self._study.get_trials(deepcopy=False))

    def begin(self, plan: TimePlan) -> None:
        """Queue the known policies, and keep the division of the time with the last of them.

        What is kept with a trial is there as soon as the trial is, so that the search has begun
        when all of them are queued, and not before.
        """
        *others, last = known_policies(self._contents)
        for policy in others:
            self._study.enqueue_trial(policy.parameters, {RUNG: 1}, skip_if_exists=True)
        kept = {RUNG: 1, PLAN: json.dumps(asdict(plan))}
        self._study.enqueue_trial(last.parameters, kept, skip_if_exists=True)
        if self.plan is None:  # the last was queued without one, by a version with another order
            self._study.enqueue_trial(last.parameters, kept)

    def interrupted(self) -> list[PolicyTrial]:
        """What earlier commands at this place did not bring to its end.

        Of a record that no other command uses that is all that was begun, wherever it lay then.
        """
        states = (self._optuna.trial.TrialState.RUNNING,)
        found = []
        for trial in self._study.get_trials(deepcopy=False, states=states):
            if self._is_own(trial) and trial.number not in self._running:
                self._seed_sampler(trial.number)
                found.append(self._trial(self._optuna.Trial(self._study, trial._trial_id)))
        return found

    def _is_own(self, trial: Any) -> bool:
        return not self._is_shared or trial.user_attrs.get(PLACE) == self._place

    def ask(self) -> PolicyTrial:
        """The next policy: one that is queued, or one that the sampler draws.

        What is drawn depends on the trials alone, so that a search which was interrupted goes on as
        if it had not been.
        """
        self._seed_sampler(len(self._study.get_trials(deepcopy=False)))
        trial = self._study.ask()
        trial.set_user_attr(PLACE, self._place)
        return self._trial(trial)

    def _seed_sampler(self, number: int) -> None:
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=number, multivariate=False, n_startup_trials=_RANDOM_TRIALS
        )

    def _trial(self, trial: Any) -> PolicyTrial:
        self._running[trial.number] = trial
        return PolicyTrial(
            number=trial.number,
            policy=suggested(trial, self._contents),
            rung=trial.user_attrs.get(RUNG, 1),
        )

    def tell(self, trial: PolicyTrial, loss: float | None, *, is_last: bool) -> None:
        """Keep how a policy did; what another command said of the same trial before holds.

        Args:
            trial: whose policy was trained.
            loss: what was measured; `None` where its run failed.
            is_last: whether there is no higher rung before the final.
        """
        own, states = self._running.pop(trial.number), self._optuna.trial.TrialState
        with suppress(self._optuna.exceptions.UpdateFinishedTrialError):
            if loss is None:
                self._study.tell(own, state=states.FAIL, skip_if_finished=True)
                return
            own.report(loss, trial.rung)
            if is_last:
                self._study.tell(own, loss, skip_if_finished=True)
            else:
                self._study.tell(own, state=states.PRUNED, skip_if_finished=True)

    def promote(self, policies: Sequence[Policy], rung: int) -> None:
        """Queue policies for a rung, the first first; from then on those below it are over.

        Nothing is done where the rung has begun, which another command may have been quicker with.
        """
        if self.has_begun(rung):
            return
        trials = self._study.get_trials(deepcopy=False)
        queued = []
        for trial in trials:
            if trial.user_attrs.get(RUNG, 1) == rung:
                queued.append(trial.system_attrs.get(FIXED, trial.params))
            else:
                self._drop_waiting(trial)
        for policy in policies:
            if policy.parameters not in queued:
                self._study.enqueue_trial(policy.parameters, {RUNG: rung})
        self._study.set_user_attr(f"{RUNG}-{rung}", True)

    def _drop_waiting(self, trial: Any) -> None:
        """Take a trial out of the queue, where no other command has taken it."""
        states, storage = self._optuna.trial.TrialState, self._study._storage
        if trial.state is states.WAITING:
            with suppress(self._optuna.exceptions.UpdateFinishedTrialError):
                if storage.set_trial_state_values(trial._trial_id, state=states.RUNNING):
                    storage.set_trial_state_values(trial._trial_id, state=states.FAIL)

    def has_begun(self, rung: int) -> bool:
        """Whether policies were promoted to a rung, by this command or another."""
        return f"{RUNG}-{rung}" in self._study.user_attrs

    def losses(self, rung: int) -> dict[Policy, float]:
        """The loss of every policy that was trained at a rung, the best first."""
        found: dict[Policy, float] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state.is_finished() and rung in trial.intermediate_values:
                policy = recorded_policy(self._optuna, trial, self._contents)
                found[policy] = trial.intermediate_values[rung]
        return dict(sorted(found.items(), key=lambda item: (item[1], item[0].name)))

    def num_policies(self, num_rungs: int) -> int:
        """How many policies were trained in any rung."""
        rungs = range(1, num_rungs + 1)
        return len({policy for number in rungs for policy in self.losses(number)})

    def num_tried(self, rung: int) -> int:
        """Trials of a rung that this command ended, however; its plan is of its machine alone."""
        return sum(
            trial.state.is_finished()
            and trial.user_attrs.get(RUNG, 1) == rung
            and self._is_own(trial)
            for trial in self._study.get_trials(deepcopy=False)
        )

    def num_waiting(self) -> int:
        """Trials that are queued."""
        states = (self._optuna.trial.TrialState.WAITING,)
        return len(self._study.get_trials(deepcopy=False, states=states))


@contextmanager
def open_search(
    journal: Path, storage: str | None, *, name: str, contents: Sequence[Content], place: str
) -> Iterator[PolicySearch]:
    """Open the record of a search, which is made if there is none.

    Args:
        journal: the file of the record, where no storage is given.
        storage: URL of a database, as Optuna takes it.
        name: of the search in the storage; commands with the same name share it.
        contents: which weightings are searched.
        place: of the runs of this command.

    Raises:
        OSError: the system refuses the journal.
        UserError: Optuna is not installed, the storage does not answer, or the journal is damaged;
            also where that happens within the block.
    """
    optuna = check_optuna()

    def check(study: Any) -> None:
        check_record(optuna, study, contents)

    with opened_study(journal, storage, name=name, check=check) as study:
        yield PolicySearch(optuna, study, contents, place, is_shared=storage is not None)
