"""Which policies go on: from a rung to the next, and to the final."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from tidemask.tuning.policies import USUAL_CONSTANT, Policy
from tidemask.tuning.time_plan import FINALISTS, GROWTH


def promoted(losses: Mapping[Policy, float], max_runs: int) -> list[Policy]:
    """The best third of a rung, the best constant first, for it is the baseline of the next.

    At least as many go on as the final has; the best constant always does, and so do enough others.

    Args:
        losses: of a rung, the best first.
        max_runs: that the next rung has time for.

    Example:
        >>> from tidemask.tuning.policies import USUAL_CONSTANT, Policy
        >>> decays = [Policy(schedule="linear", start=n, end=5, unit="token") for n in (20, 30, 40)]
        >>> losses = {decays[0]: 5.0, decays[1]: 5.1, decays[2]: 5.2, USUAL_CONSTANT: 5.3}
        >>> [policy.name for policy in promoted(losses, max_runs=9)]
        ['constant-15-token', 'linear-20-5-token', 'linear-30-5-token']
    """
    number = max(FINALISTS, min(max_runs, math.ceil(len(losses) / GROWTH)))
    chosen = finalists([losses])
    return [*chosen, *(one for one in losses if one not in chosen)][:number]


def finalists(losses_by_rung: Sequence[Mapping[Policy, float]]) -> list[Policy]:
    """The best constant, which is the baseline, and the best of the others.

    Args:
        losses_by_rung: losses, the best first, of the highest rung first. What a higher rung does
            not have is taken from the one below.
    """
    ordered = list(dict.fromkeys(policy for losses in losses_by_rung for policy in losses))
    constant = next(_constants(ordered), USUAL_CONSTANT)
    others = [policy for policy in ordered if not policy.is_constant]
    return [constant, *others[: FINALISTS - 1]]


def _constants(policies: list[Policy]) -> Iterator[Policy]:
    return (policy for policy in policies if policy.is_constant)
