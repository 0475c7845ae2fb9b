"""What arms spend alike: their steps, from what one step of each costs.

A schedule is a function of progress, so an arm of other steps has the whole of its schedule; its
mean ratio, and with it the predicted tokens of a step, stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from scipy.special import betainc

from tidemask.errors import UserError
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.sequence_ratio import BetaAround, PerSequence, RatioMixture, Same
from tidemask.training.settings import MAX_COUNT

_POINTS = 10_000


def predicted_share(masking: MaskingSettings) -> float:
    """Mean share of the maskable tokens that is predicted, over a whole run.

    Where sequences draw ratios of their own, each predicts as much of it as `prediction` allows.
    The mean is taken at 10,000 points of progress, in the middle of as many equal parts. Policies
    that find too few tokens of a weight above 0 predict less, which their settings do not tell.

    Example:
        >>> from tidemask.masking.policy import MaskingSettings
        >>> from tidemask.masking.schedule import Linear
        >>> round(predicted_share(MaskingSettings(ratio=Linear(start=0.3, end=0.1))), 6)
        0.2
    """
    total = 0.0
    for number in range(_POINTS):
        progress = (number + 0.5) / _POINTS
        ratio = masking.ratio(progress)
        if masking.prediction != "all":
            ratio = mean_up_to(masking.prediction(progress), masking.per_sequence, ratio)
        total += ratio
    return total / _POINTS


def mean_up_to(limit: float, distribution: PerSequence, ratio: float) -> float:
    """Mean over sequences of the smaller of their own ratio and a limit.

    Args:
        limit: in [0, 1].
        distribution: of the ratios.
        ratio: that the schedule gives, their mean.
    """
    if isinstance(distribution, RatioMixture):
        means = zip(distribution.parts, distribution.means(ratio), strict=True)
        return sum(part.share * mean_up_to(limit, part.of, mean) for part, mean in means)
    if isinstance(distribution, Same) or ratio in (0.0, 1.0):
        return min(ratio, limit)
    if isinstance(distribution, BetaAround):
        a, b = distribution.concentration * ratio, distribution.concentration * (1.0 - ratio)
        below = ratio * float(betainc(a + 1.0, b, limit))  # x times its density is one of a + 1
        return below + limit * (1.0 - float(betainc(a, b, limit)))
    low, high = distribution.interval(ratio)
    if not low < limit < high:
        return min(ratio, limit)
    return ((limit**2 - low**2) / 2 + limit * (high - limit)) / (high - low)


def steps_of_equal_cost(
    costs: Mapping[str, float], baseline: str, num_steps: int
) -> dict[str, int]:
    """Steps of each arm that together cost what the baseline's cost, to the nearest step.

    Args:
        costs: of one step, by arm, in any one unit.
        baseline: whose steps are given.
        num_steps: of the baseline.

    Raises:
        UserError: an arm would have no step, or more than a run can have.

    Example:
        >>> steps_of_equal_cost({"constant": 0.15, "decay": 0.3}, "constant", 1000)
        {'constant': 1000, 'decay': 500}
    """
    steps = {}
    for arm, cost in costs.items():
        if not cost > 0.0:
            raise UserError(
                f"budget that no run can meet: a step of arm {arm} costs {cost:g}, so that no "
                "number of steps spends what the baseline does. Compare at equal steps."
            )
        exact = num_steps * costs[baseline] / cost  # infinite where the costs are too far apart
        if not 0.5 < exact <= MAX_COUNT:
            raise UserError(
                f"budget that no run can meet: arm {arm} would have {exact:,.0f} steps, where "
                f"{baseline} has {num_steps:,}. Give the baseline another length."
            )
        steps[arm] = round(exact)
    return steps
