"""What the record of a search holds, checked before anything is made of it.

Optuna takes the lines of a journal and the rows of a database as they are. What is checked here is
all that `search.py` and the sampler read of them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tidemask.reading import parse_json
from tidemask.settings import is_number, shown
from tidemask.tuning.policies import Content, Policy, suggested
from tidemask.tuning.time_plan import TimePlan

RUNG, PLACE, PLAN = "rung", "place", "time_plan"
"""Names of what is kept beside the trials."""
FIXED = "fixed_params"
"""Where Optuna keeps the parameters of a trial that is queued."""


class _MissingError(ValueError):
    """A parameter is not there."""


class _KnownTrial:
    """Gives a policy the parameters that are recorded of it, if they are what is searched.

    Args:
        optuna: the module.
        values: of the parameters, by name.
        distributions: of Optuna, from which they were drawn; empty of what was not drawn.
    """

    def __init__(
        self, optuna: Any, values: Mapping[str, Any], distributions: Mapping[str, Any]
    ) -> None:
        self._optuna, self._values, self._distributions = optuna, values, distributions

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of some choices."""
        value = self._value(name)
        if value not in choices:
            raise ValueError(f"{name}={shown(value)}. Expected one of {', '.join(choices)}")
        self._check_drawn(name, self._optuna.distributions.CategoricalDistribution(choices))
        return value

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        """A whole number between two, both included."""
        value = self._value(name)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{name}={shown(value)}. Expected a whole number from {low} to {high}")
        self._check_drawn(name, self._optuna.distributions.IntDistribution(low, high, log=log))
        return value

    def _value(self, name: str) -> Any:
        if name not in self._values:
            raise _MissingError(f"{name} is missing")
        return self._values[name]

    def _check_drawn(self, name: str, expected: Any) -> None:
        """Refuse what Optuna would when it draws the parameter again."""
        if name in self._distributions:
            self._optuna.distributions.check_distribution_compatibility(
                self._distributions[name], expected
            )


def recorded_policy(optuna: Any, trial: Any, contents: Sequence[Content]) -> Policy:
    """The policy of a trial that was begun.

    Args:
        optuna: the module.
        trial: a frozen one.
        contents: which weightings are searched.

    Raises:
        ValueError: a parameter is missing, or is none that is searched.
    """
    return suggested(_KnownTrial(optuna, trial.params, trial.distributions), contents)


def recorded_plan(trials: Sequence[Any]) -> TimePlan | None:
    """The division of the time that is kept with the first trial that has one.

    Raises:
        UserError: it is damaged.
        ValueError: it is no text.
    """
    for trial in trials:
        if kept := trial.user_attrs.get(PLAN):
            if not isinstance(kept, str):
                raise ValueError(f"trial {trial.number} has the time plan {shown(kept)}")
            return parse_json(kept, TimePlan, "time plan of the search")
    return None


def check_record(optuna: Any, study: Any, contents: Sequence[Content]) -> None:
    """Refuse a record that a search cannot go on with.

    Args:
        optuna: the module.
        study: of Optuna, with its trials.
        contents: which weightings are searched.

    Raises:
        UserError: the division of the time is damaged.
        ValueError: names the trial and what is wrong with it.
    """
    if study.directions != [optuna.study.StudyDirection.MINIMIZE]:
        raise ValueError("it is not of a search for the lowest loss")
    trials = study.get_trials(deepcopy=False)
    plan = recorded_plan(trials)
    for trial in trials:
        try:
            _check_parameters(optuna, trial, contents)
            _check_end(optuna, trial, _rung(trial, plan))
        except ValueError as error:
            raise ValueError(f"trial {trial.number}: {error}") from error


def _check_parameters(optuna: Any, trial: Any, contents: Sequence[Content]) -> None:
    """Those that are queued are all there; of those that are drawn some may be left to draw."""
    if FIXED in trial.system_attrs:
        queued = trial.system_attrs[FIXED]
        if not isinstance(queued, Mapping):
            raise ValueError(f"{FIXED}={shown(queued)}. Expected parameters by name")
        suggested(_KnownTrial(optuna, queued, {}), contents)
    try:
        recorded_policy(optuna, trial, contents)
    except _MissingError:
        if trial.intermediate_values:
            raise


def _rung(trial: Any, plan: TimePlan | None) -> int:
    rung = trial.user_attrs.get(RUNG, 1)
    if type(rung) is not int or not 1 <= rung <= (len(plan.rungs) if plan else 1):
        raise ValueError(f"{RUNG}={shown(rung)}. Expected one of the search")
    return rung


def _check_end(optuna: Any, trial: Any, rung: int) -> None:
    """What did not fail has a loss at its rung, and a loss is a finite number."""
    states, values = optuna.trial.TrialState, trial.values or ()
    for loss in (*values, *trial.intermediate_values.values()):
        if not is_number(loss) or not abs(loss) <= sys.float_info.max:
            raise ValueError(f"it has the loss {shown(loss)}")
    for step in trial.intermediate_values:
        if type(step) is not int:
            raise ValueError(f"it has a loss at {RUNG}={shown(step)}")
    if trial.state in (states.COMPLETE, states.PRUNED) and rung not in trial.intermediate_values:
        raise ValueError(f"it ended well and has no loss at {RUNG}={rung}")
    if trial.state is states.COMPLETE and len(values) != 1:
        raise ValueError(f"it has {len(values)} losses. Expected one")
