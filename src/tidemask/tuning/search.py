"""The record of a search in Optuna's storage: what was tried, what is tried next, how it did.

Each run of a policy at a rung is a trial of one study of Optuna: it reports its loss at the number
of its rung, and ends there, so that the sampler takes trials of a higher rung for better ones. A
policy that goes on to the next rung is queued as a new trial of that rung. Several commands may
share a storage: each takes from one queue, and the sampler learns from all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tidemask.errors import UserError, missing_package, one_line
from tidemask.files.lines import drop_unfinished_line
from tidemask.reading import parse_json
from tidemask.tuning.policies import Content, Policy, known_policies, suggested
from tidemask.tuning.time_plan import TimePlan

_RUNG, _PLACE, _PLAN = "rung", "place", "time_plan"
"""Names of what is kept beside the trials."""
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
        """The division of the time that the search was begun with; `None` before."""
        kept = self._study.user_attrs.get(_PLAN)
        return None if kept is None else parse_json(kept, TimePlan, "time plan of the search")

    def begin(self, plan: TimePlan) -> None:
        """Keep the division of the time, and queue the known policies."""
        for policy in known_policies(self._contents):
            self._study.enqueue_trial(policy.parameters, {_RUNG: 1}, skip_if_exists=True)
        self._study.set_user_attr(_PLAN, json.dumps(asdict(plan)))

    def interrupted(self) -> list[PolicyTrial]:
        """What an earlier command at this place did not bring to its end."""
        states, unnamed = (self._optuna.trial.TrialState.RUNNING,), None
        if not self._is_shared:  # it was killed before it had named its place
            unnamed = self._place
        found = []
        for trial in self._study.get_trials(deepcopy=False, states=states):
            is_own = trial.user_attrs.get(_PLACE, unnamed) == self._place
            if is_own and trial.number not in self._running:
                self._seed_sampler(trial.number)
                found.append(self._trial(self._optuna.Trial(self._study, trial._trial_id)))
        return found

    def ask(self) -> PolicyTrial:
        """The next policy: one that is queued, or one that the sampler draws.

        What is drawn depends on the trials alone, so that a search which was interrupted goes on as
        if it had not been.
        """
        self._seed_sampler(len(self._study.get_trials(deepcopy=False)))
        trial = self._study.ask()
        trial.set_user_attr(_PLACE, self._place)
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
            rung=trial.user_attrs.get(_RUNG, 1),
        )

    def tell(self, trial: PolicyTrial, loss: float | None, *, is_last: bool) -> None:
        """Keep how a policy did.

        Args:
            trial: whose policy was trained.
            loss: what was measured; `None` where its run failed.
            is_last: whether there is no higher rung before the final.
        """
        own, states = self._running.pop(trial.number), self._optuna.trial.TrialState
        if loss is None:
            self._study.tell(own, state=states.FAIL)
            return
        own.report(loss, trial.rung)
        if is_last:
            self._study.tell(own, loss)
        else:
            self._study.tell(own, state=states.PRUNED)

    def promote(self, policies: Sequence[Policy], rung: int) -> None:
        """Queue policies for a rung, the first first; from then on those below it are over."""
        queued = [
            trial.system_attrs.get("fixed_params", trial.params)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.user_attrs.get(_RUNG, 1) == rung
        ]
        for policy in policies:
            if policy.parameters not in queued:
                self._study.enqueue_trial(policy.parameters, {_RUNG: rung})
        self._study.set_user_attr(f"{_RUNG}-{rung}", True)

    def has_begun(self, rung: int) -> bool:
        """Whether policies were promoted to a rung, by this command or another."""
        return f"{_RUNG}-{rung}" in self._study.user_attrs

    def losses(self, rung: int) -> dict[Policy, float]:
        """The loss of every policy that was trained at a rung, the best first."""
        found: dict[Policy, float] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state.is_finished() and rung in trial.intermediate_values:
                policy = suggested(self._optuna.trial.FixedTrial(trial.params), self._contents)
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
            and trial.user_attrs.get(_RUNG, 1) == rung
            and trial.user_attrs.get(_PLACE) == self._place
            for trial in self._study.get_trials(deepcopy=False)
        )

    def num_waiting(self) -> int:
        """Trials that are queued."""
        states = (self._optuna.trial.TrialState.WAITING,)
        return len(self._study.get_trials(deepcopy=False, states=states))


def check_optuna() -> Any:
    """Optuna's module.

    Raises:
        UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise missing_package("tidemask tune", "optuna", extra="tune") from error
    return optuna


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
        UserError: Optuna is not installed, the storage does not answer, or the journal is damaged;
            also where that happens within the block.
    """
    optuna = check_optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = _created(optuna, journal, storage, name)
        with _named_errors(optuna, journal, storage):
            yield PolicySearch(optuna, study, contents, place, is_shared=storage is not None)
    finally:
        optuna.logging.set_verbosity(before)


def _created(optuna: Any, journal: Path, storage: str | None, name: str) -> Any:
    """Optuna's study, new or as it was; whatever it raises here is about what it reads."""
    try:
        return optuna.create_study(
            storage=storage or _journal(optuna, journal),
            study_name=name,
            direction="minimize",
            load_if_exists=True,
        )
    except Exception as error:  # of databases, drivers and parsers of any kind
        raise _refused(journal, storage, error) from error


def _journal(optuna: Any, path: Path) -> Any:
    """Optuna's journal in a file that no other process uses.

    A process that was killed may have left a line without its end, which the next line would
    continue, and a lock, which would be waited for.
    """
    if path.is_file():
        drop_unfinished_line(path)
    Path(f"{path}.lock").unlink(missing_ok=True)
    journal = optuna.storages.journal
    return optuna.storages.JournalStorage(journal.JournalFileBackend(str(path)))


@contextmanager
def _named_errors(optuna: Any, journal: Path, storage: str | None) -> Iterator[None]:
    """Turn what Optuna and databases raise while a search goes on into one line."""
    import sqlalchemy.exc

    try:
        yield
    except (optuna.exceptions.OptunaError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise _refused(journal, storage, error) from error


def _refused(journal: Path, storage: str | None, error: Exception) -> UserError:
    if storage is None:
        return UserError(
            f"damaged record of a search: {journal}: {one_line(error)}. Delete it: the search "
            "begins again, and runs that are finished are kept and not trained twice."
        )
    said = without_password(one_line(error))
    return UserError(
        f"storage does not answer: {without_password(storage)}: {said}. Expected the URL of a "
        "database that does, with its driver installed (--storage); what was trained is kept."
    )


def without_password(url: str) -> str:
    """A URL without the name and password that it may have."""
    return re.sub(r"//[^/@]*@", "//", url)
