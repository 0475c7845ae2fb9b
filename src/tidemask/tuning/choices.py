"""Which policies go on: from a rung to the next, and to the final."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tidemask.tuning.policies import USUAL_CONSTANT, Policy
from tidemask.tuning.time_plan import FINALISTS, GROWTH, MIN_PROMOTED

_MIN_POINTS = 5
"""Per cent points between the starts, or the ends, of two challengers of one kind."""
_PROMOTED_CONSTANTS = 2
_WITH_ROOM = 6
"""Where so many go on, one more of them is a constant."""


def promoted(losses: Mapping[Policy, float], max_runs: int) -> list[Policy]:
    """The best third of a rung, the best constant first, for it is the baseline of the next.

    The challengers that `finalists` chooses always go on, and so do the two best constants, three
    where six policies go on: which constant is the best shows at the later lengths.

    Args:
        losses: of a rung, the best first.
        max_runs: that the next rung has time for.

    Example:
        >>> from tidemask.tuning.policies import USUAL_CONSTANT, Policy
        >>> decays = [Policy(schedule="linear", start=n, end=5, unit="token") for n in (20, 22, 40)]
        >>> losses = {decays[0]: 5.0, decays[1]: 5.1, decays[2]: 5.2, USUAL_CONSTANT: 5.3}
        >>> [policy.name for policy in promoted(losses, max_runs=3)]
        ['constant-15-token', 'linear-20-5-token', 'linear-40-5-token', 'linear-22-5-token']
    """
    number = max(MIN_PROMOTED, min(max_runs, math.ceil(len(losses) / GROWTH)))
    constants = [policy for policy in losses if policy.is_constant]
    with_room = _PROMOTED_CONSTANTS + (number >= _WITH_ROOM)
    first = [*finalists([losses]), *constants[:with_room], *losses]
    return list(dict.fromkeys(first))[:number]


def finalists(losses_by_rung: Sequence[Mapping[Policy, float]]) -> list[Policy]:
    """The best constant, which is the baseline, and the best others that are no twins.

    Of two policies of one kind, unit and content whose starts and ends are less than 5 points apart
    the better one stands for both.

    Args:
        losses_by_rung: losses, the best first, of the highest rung first. What a higher rung does
            not have is taken from the one below.
    """
    ordered = list(dict.fromkeys(policy for losses in losses_by_rung for policy in losses))
    constant = next((policy for policy in ordered if policy.is_constant), USUAL_CONSTANT)
    chosen = [constant]
    for policy in ordered:
        is_new = not any(_are_twins(policy, one) for one in chosen[1:])
        if len(chosen) < FINALISTS and not policy.is_constant and is_new:
            chosen.append(policy)
    return chosen


def _are_twins(one: Policy, other: Policy) -> bool:
    """Whether two policies differ too little for a final to tell them apart."""
    are_alike = (one.schedule, one.unit, one.content) == (other.schedule, other.unit, other.content)
    points = max(abs(one.start - other.start), abs(one.end - other.end))
    return are_alike and points < _MIN_POINTS
