"""The search itself: successive halving of policies, rung after rung, then the final.

Many policies are tried in short runs, and the best part of them again in longer ones (Jamieson and
Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, 2016). Here the
best third goes on, and every run is trained from the start, so that its schedules are whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidemask.errors import UserError
from tidemask.studies.definition import read_study
from tidemask.studies.planning import naming_study
from tidemask.training.signals import Interrupted
from tidemask.tuning.choices import finalists, promoted
from tidemask.tuning.clock import SpentClock
from tidemask.tuning.definition import TuneDirectory
from tidemask.tuning.final_outcome import FinalOutcome, final_outcome
from tidemask.tuning.policies import USUAL_CONSTANT, Policy, policy_named
from tidemask.tuning.policy_runs import PolicyRuns
from tidemask.tuning.search import PolicySearch, PolicyTrial
from tidemask.tuning.time_plan import MIN_FINALISTS, TimePlan

_MAX_TIMES_PLANNED = 2
"""Times as many runs as were planned: what a machine has time for that was slow when measured."""
_FAILURES = 3
"""After so many runs that failed, with none that did not, the search ends."""


@dataclass(kw_only=True)
class SuccessiveHalving:
    """A search that goes on until its final is whole or its time is over.

    Attributes:
        directory: of the search.
        search: the record of what was tried.
        plan: the division of the time.
        runs: trains policies.
        clock: the time spent.
        end: seconds of the budget after which no run goes on, so that the page can be written.
        num_seeds: of each finalist.
    """

    directory: TuneDirectory
    search: PolicySearch
    plan: TimePlan
    runs: PolicyRuns
    clock: SpentClock
    end: float
    num_seeds: int
    _num_failed: int = 0

    def rungs(self) -> None:
        """Train policies in every rung that is not over, and promote the best of each.

        Raises:
            Interrupted: a user asked to stop.
            UserError: the first runs failed.
        """
        for number, rung in enumerate(self.plan.rungs, start=1):
            if self.search.has_begun(number + 1):
                continue
            try:
                self._rung(number)
            except Interrupted:
                if self.runs.stop_request.is_asked:
                    raise
            if self.clock.spent >= self.end and len(self._finalists()) < MIN_FINALISTS:
                return  # a larger budget goes on from here
            following = self.plan.rungs[number : number + 1]
            max_runs = following[0].num_runs if following else 0
            chosen = promoted(self.search.losses(number), max_runs) if following else ()
            self.search.promote(chosen, number + 1)
            self._note_rung(number, rung.num_steps)

    def _rung(self, number: int) -> None:
        """Train policies of a rung while there is time for it."""
        rung, jobs = self.plan.rungs[number - 1], self.runs.jobs
        self._train(self.search.interrupted())
        planned = seconds = self.plan.costs.of(rung.num_steps)
        while not self.search.has_begun(number + 1):  # where another command was quicker
            self.runs.stop_request.raise_if_asked()
            is_new = not self.directory.rung(number).definition.is_file()
            wanted = max(jobs, 2) if is_new else jobs
            if number > 1:
                wanted = min(wanted, self.search.num_waiting())
            at_once, begun = math.ceil(wanted / jobs), self.clock.spent
            is_full = self.search.num_tried(number) >= _MAX_TIMES_PLANNED * rung.num_runs
            is_late = begun + at_once * seconds > min(rung.until, self.end)
            if wanted == 0 or is_full or is_late:
                return
            self._train([self.search.ask() for _ in range(wanted)])
            seconds = max(planned / 2, (self.clock.spent - begun) / at_once)

    def _train(self, trials: Sequence[PolicyTrial]) -> None:
        """Train the policies of trials, each in its rung, and keep how they did."""
        for number in sorted({one.rung for one in trials}):
            asked = [one for one in trials if one.rung == number]
            self.runs.display.where = f"rung {number} of {len(self.plan.rungs)}"
            losses = self.runs.in_rung(
                self.directory.rung(number),
                [one.policy for one in asked],
                baseline=self._baseline(number),
                num_steps=self.plan.rungs[number - 1].num_steps,
            )
            for one in asked:
                loss = losses.get(one.policy)
                self.search.tell(one, loss, is_last=number == len(self.plan.rungs))
                self._num_failed += loss is None
        if self._num_failed >= _FAILURES and not self.search.losses(1):
            raise UserError(
                f"no policy could be trained: {self._num_failed} runs failed, and none did not. "
                f"Look into {self.directory.rung(1).root / 'attempts'}, correct the settings, and "
                "name a new directory as --out."
            )

    def _baseline(self, rung: int) -> Policy:
        """The best constant of the rung below, which is promoted first."""
        return USUAL_CONSTANT if rung == 1 else finalists([self.search.losses(rung - 1)])[0]

    def _note_rung(self, number: int, num_steps: int) -> None:
        losses = self.search.losses(number)
        if losses:
            best = next(iter(losses))
            self.runs.display.on_note(
                f"Rung {number}: {len(losses)} policies, {num_steps:,} steps each; the best is "
                f"{best.name} with {losses[best]:.3f} nats."
            )

    def final(self) -> FinalOutcome:
        """Train as many seeds of the finalists as there is time for, and write the page.

        Runs go seed by seed, so that what the end of the time leaves is a fair comparison.

        Raises:
            Interrupted: a user asked to stop.
            UserError: the page could not be written.
        """
        policies, jobs = self._finalists(), self.runs.jobs
        outcome = self._kept(policies)
        if len(policies) < MIN_FINALISTS:
            return outcome
        seconds = self.plan.costs.in_final(self.plan.final_steps)
        while outcome.num_seeds < self.num_seeds and self.clock.spent < self.end:
            begun, done = self.clock.spent, outcome.num_seeds
            fit = math.floor((self.end - begun) / seconds) * jobs // len(policies)
            if done and fit < 1:
                break
            last = min(self.num_seeds, done + max(1, fit))
            outcome = self._final_seeds(policies, last)
            if outcome.num_seeds < last:  # the time is over, or nothing is left to compare
                break
            seconds = (self.clock.spent - begun) / math.ceil((last - done) * len(policies) / jobs)
        if outcome.failed:
            self.runs.display.on_note(f"Failed in the final: {', '.join(outcome.failed)}.")
        if outcome.num_seeds and outcome.can_compare:
            self.runs.write_page(self.directory.final)
        return outcome

    def _final_seeds(self, policies: Sequence[Policy], last: int) -> FinalOutcome:
        """Train finalists with seeds 1 to `last`, until the time is over."""
        self.runs.display.where = f"final, up to seed {last} of {self.num_seeds}"
        num_steps = self.plan.final_steps
        try:
            states = self.runs.final(
                self.directory.final, policies, num_steps=num_steps, seeds=range(1, last + 1)
            )
        except Interrupted:
            if self.runs.stop_request.is_asked:
                raise
            return self._kept(policies)
        return final_outcome(policies, states, num_steps=num_steps, is_over=True)

    def _kept(self, policies: Sequence[Policy]) -> FinalOutcome:
        """What was finished of the final until now."""
        states = self.runs.kept(self.directory.final)
        return final_outcome(policies, states, num_steps=self.plan.final_steps, is_over=False)

    def _finalists(self) -> list[Policy]:
        """Those of a final that has begun; else what the rungs chose."""
        rungs = range(len(self.plan.rungs), 0, -1)
        losses = [self.search.losses(number) for number in rungs]
        if not self.directory.final.definition.is_file():
            return finalists(losses)[: self.plan.num_finalists]
        path = self.directory.final.definition
        begun = read_study(path)
        arms = sorted(begun.arms, key=lambda arm: arm != begun.baseline)  # stable: baseline first
        with naming_study(path):
            return [policy_named(arm) for arm in arms]  # of which the record may be lost
