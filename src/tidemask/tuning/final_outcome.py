"""What a final came to: how many seeds its finalists have, and which of them failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidemask.studies.directory import RunState, State
from tidemask.tuning.policies import Policy


@dataclass(frozen=True, kw_only=True)
class FinalOutcome:
    """What a final came to.

    Attributes:
        policies: the finalists, the best constant first.
        num_steps: of each run.
        num_seeds: that every finalist has finished, those left out that failed.
        failed: names of finalists of which a run ended without a measurement.
    """

    policies: tuple[Policy, ...]
    num_steps: int
    num_seeds: int
    failed: tuple[str, ...]

    @property
    def compared(self) -> tuple[Policy, ...]:
        """Finalists that did not fail; what is shown is about them."""
        return tuple(one for one in self.policies if one.name not in self.failed)

    @property
    def can_compare(self) -> bool:
        """Whether the best constant and another are left."""
        return self.policies[0] in self.compared and len(self.compared) > 1


def final_outcome(
    policies: Sequence[Policy], states: Sequence[RunState], *, num_steps: int, is_over: bool
) -> FinalOutcome:
    """Count the seeds of a final.

    Args:
        policies: the finalists, the best constant first.
        states: of its runs.
        num_steps: of each run.
        is_over: whether no run is to be continued, so that what is not finished has failed.
    """
    failed = {
        one.run.arm
        for one in states
        if (one.state is State.FAILED and not one.is_refused)
        or (is_over and one.state is not State.FINISHED)
    }
    by_seed: dict[int, list[State]] = {}
    for one in states:
        if one.run.arm not in failed:
            by_seed.setdefault(one.run.seed, []).append(one.state)
    return FinalOutcome(
        policies=tuple(policies),
        num_steps=num_steps,
        num_seeds=sum(set(found) == {State.FINISHED} for found in by_seed.values()),
        failed=tuple(one.name for one in policies if one.name in failed),
    )
