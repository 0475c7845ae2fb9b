"""What arms spend alike: their steps, from what one step of each costs.

A schedule is a function of progress, so an arm of other steps has the whole of its schedule; its
mean ratio, and with it the predicted tokens of a step, stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidemask.errors import UserError
from tidemask.masking.policy import MaskingSettings
from tidemask.training.settings import MAX_COUNT

_POINTS = 10_000


def predicted_share(masking: MaskingSettings) -> float:
    """Mean share of the maskable tokens that is predicted, over a whole run.

    Where sequences draw ratios of their own, their mean is the schedule's. The mean is taken at
    10,000 points of progress, in the middle of as many equal parts.

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
            ratio = min(ratio, masking.prediction(progress))
        total += ratio
    return total / _POINTS


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
