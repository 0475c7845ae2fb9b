"""What the predicted tokens of one step add to the statistics of their classes.

Dimensions: `K` classes, `R` summed values of a token, `S` predicted tokens.
"""

from __future__ import annotations

from typing import get_args

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from tidemask.masking.class_loss import check_like_labels
from tidemask.masking.learned_weighting import Statistic
from tidemask.settings import check_integer, shown


def token_values(
    statistic: Statistic, token_loss: Float[Tensor, "S"], first_choice: Bool[Tensor, "S"] | None
) -> Float[Tensor, "R S"]:
    """What a statistic sums over tokens, float64.

    Args:
        statistic: which one.
        token_loss: cross-entropy of each token, nats, before any weight.
        first_choice: whether each was the model's first choice; read by `accuracy` alone.
    """
    loss = token_loss.detach().double()
    if statistic == "accuracy":
        if first_choice is None:
            raise ValueError("first_choice=None. Expected the first choices, for accuracy.")
        return first_choice.double()[None]
    if statistic == "learnability":
        chance = torch.exp(-loss.clamp(min=0.0))
        return (chance * (1.0 - chance))[None]
    return torch.stack([loss, loss.square()]) if statistic == "progress" else loss[None]


def class_statistic_sums(
    statistic: Statistic,
    token_loss: Float[Tensor, "*shape"],
    labels: Int[Tensor, "*shape"],
    classes: Shaped[Tensor, "*shape"],
    *,
    num_classes: int,
    first_choice: Bool[Tensor, "*shape"] | None = None,
) -> tuple[Float[Tensor, "R K"], Float[Tensor, "K"]]:
    """What `ClassStatistic.update` takes: sums over the predicted tokens of each class, and counts.

    Args:
        statistic: which one.
        token_loss: as for `class_loss_sums`, like the labels, classes and their number.
        labels: original ids, -100 where nothing is predicted.
        classes: `token_class` of the batch, or the labels where entries are the classes.
        num_classes: `K`.
        first_choice: whether the label has the largest logit of its position; for `accuracy`.

    Example:
        >>> import torch
        >>> token_loss = torch.tensor([1.0, 4.0, 2.0])
        >>> labels, classes = torch.tensor([7, -100, 9]), torch.tensor([0, 0, 1])
        >>> sums, count = class_statistic_sums("loss", token_loss, labels, classes, num_classes=2)
        >>> sums.tolist(), count.tolist()
        ([[1.0, 2.0]], [1.0, 1.0])
    """
    check_integer("num_classes", num_classes, minimum=0)
    if statistic not in get_args(Statistic):
        known = ", ".join(get_args(Statistic))
        raise ValueError(f"statistic={shown(statistic)}. Expected one of {known}.")
    check_like_labels(labels, token_loss=token_loss, classes=classes)
    if first_choice is not None:
        check_like_labels(labels, first_choice=first_choice)
    predicted = labels >= 0
    index = classes[predicted].to(torch.int64).clamp(max=num_classes)
    chosen = None if first_choice is None else first_choice[predicted]
    values = token_values(statistic, token_loss[predicted], chosen)
    rows = torch.cat([values, torch.ones_like(values[:1])])
    # One more class at the end takes what has none.
    total = rows.new_zeros(len(rows), num_classes + 1).index_add(1, index, rows)[:, :num_classes]
    return total[:-1], total[-1]
