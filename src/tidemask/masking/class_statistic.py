"""Statistics of classes beside the cumulative loss: accuracy, learnability, progress.

All are made of decayed sums over the predicted tokens of each class, of functions of a token's
loss (`statistic_sums.py`). The state is on the CPU in float64: three numbers per class, nine for
`progress`.

Dimensions: `K` classes, `R` summed values of a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from tidemask.masking.class_loss import check_class_names, finite_sums
from tidemask.masking.learned_weighting import ByClassStatistic, Statistic
from tidemask.masking.weight_maps import mapped
from tidemask.settings import MAX_STEPS, check_integer, shown

_MIN_COUNT = 1e-300
_ROUNDING = 1e-9
"""Relative variance below which losses, or two averages, differ by rounding alone."""


class ClassStatisticState(TypedDict):
    """What a checkpoint holds; JSON keeps every bit of it."""

    class_names: list[str]
    sums: list[list[float]]
    held: list[float | None]


class ClassStatistic:
    """One statistic of every class, from decayed sums over its predicted tokens.

    After each optimizer step each sum decays as that of the class loss, `S <- mu S + (1 - mu) s`
    with `mu = 1 - 1 / horizon`. With `l` the loss of a token and `q = exp(-l)` the probability that
    the model gave to it, the statistics are

    - `loss`: the mean of `l`;
    - `accuracy`: the share of tokens that were the model's first choice;
    - `inverted_loss`: `1 - (L - min) / (max - min)` of the mean losses `L` over all classes;
    - `learnability`: the mean of `q (1 - q)`, between 0 and 1/4, small where a class is hopeless
      and where it is known;
    - `progress`: the slow average of `l` less a fast one, over the standard error of that
      difference for independent tokens of the class's own variance.

    What weights follow is looked at after every `update_every_steps` steps, and held until then.

    Args:
        class_names: one per class, in the order of `token_class`.
        content: which statistic, and its memory.
        max_steps: planned optimizer steps.

    Example:
        >>> import torch
        >>> from tidemask.masking.learned_weighting import ByClassStatistic
        >>> by_accuracy = ByClassStatistic(statistic="accuracy", horizon_steps=50)
        >>> statistic = ClassStatistic(["NOUN", "DET", "SYM"], by_accuracy, max_steps=1000)
        >>> right, count = torch.tensor([[1.0, 3.0, 0.0]]), torch.tensor([4.0, 4.0, 0.0])
        >>> statistic.update(right, count, step=0)
        >>> statistic.value().tolist()
        [0.25, 0.75, nan]
    """

    def __init__(
        self, class_names: Sequence[str], content: ByClassStatistic, *, max_steps: int
    ) -> None:
        if not isinstance(content, ByClassStatistic):
            raise ValueError(f"content={shown(content)}. Expected a ByClassStatistic.")
        max_steps = check_integer("max_steps", max_steps, minimum=1, below=MAX_STEPS)
        self.class_names = check_class_names(class_names)
        self.content = content
        self.num_values = 2 if content.statistic == "progress" else 1
        slow = 1.0 - 1.0 / content.horizon(max_steps)
        fast = 1.0 - 1.0 / content.fast_horizon(max_steps)
        self._decays, self._gains = _recursion(content.statistic, slow, fast)
        num_classes = len(self.class_names)
        self._sums = torch.zeros(len(self._decays), num_classes, dtype=torch.float64, device="cpu")
        self._held = torch.full((num_classes,), torch.nan, dtype=torch.float64, device="cpu")

    def update(self, sums: Float[Tensor, "R K"], count: Float[Tensor, "K"], *, step: int) -> None:
        """Take in one optimizer step of the global batch; see `class_statistic_sums`.

        Args:
            sums: of each class's predicted tokens, over all micro-batches and ranks.
            count: number of those tokens; without any, no sum changes.
            step: global step, 0-based.

        Raises:
            ValueError: another shape, or a sum that is not finite; the state is left as it was.
        """
        size = len(self.class_names)
        expected = {"sums": (sums, (self.num_values, size)), "count": (count, (size,))}
        sums, count = finite_sums("class statistic", expected, self.class_names, step)
        if count.sum() > 0:
            rows = (*sums, count)
            inputs = [rows[i] for i in _inputs(self.content.statistic)]
            self._sums = self._decays * self._sums + self._gains * torch.stack(inputs)
        if (step + 1) % self.content.update_every_steps == 0:
            self._held = self._current()

    def value(self) -> Float[Tensor, "K"]:
        """What weights follow, float64 on the CPU; NaN for a class that is not yet known."""
        return self._held.clone()

    def _current(self) -> Float[Tensor, "K"]:
        if self.content.statistic == "progress":
            return _progress(self._sums)
        total, count = self._sums
        is_seen = count > _MIN_COUNT
        prior = self.content.prior_tokens * float(self._gains[1])
        if prior > 0.0 and bool(is_seen.any()):
            total = total + prior * (total.sum() / count.sum())
            count = count + prior
        mean = torch.where(is_seen, total / count, torch.nan)
        return _inverted(mean) if self.content.statistic == "inverted_loss" else mean

    def state_dict(self) -> ClassStatisticState:
        """The state as plain numbers."""
        held = self._held.tolist()
        return {
            "class_names": list(self.class_names),
            "sums": self._sums.tolist(),
            "held": [value if value == value else None for value in held],
        }

    def load_state_dict(self, state: ClassStatisticState) -> None:
        """Continue from a saved state.

        Raises:
            ValueError: the state was saved for other classes, or for another statistic.
        """
        if list(state["class_names"]) != list(self.class_names):
            raise ValueError(
                f"class statistic of other classes: {shown(state['class_names'])}. "
                f"Expected {shown(list(self.class_names))}."
            )
        sums = torch.tensor(state["sums"], dtype=torch.float64, device="cpu")
        if sums.shape != self._sums.shape:
            raise ValueError(
                f"class statistic with sums of shape {tuple(sums.shape)}. "
                f"Expected {tuple(self._sums.shape)}, as for {self.content.statistic}."
            )
        held = [torch.nan if value is None else value for value in state["held"]]
        self._sums = sums
        self._held = torch.tensor(held, dtype=torch.float64, device="cpu")


def statistic_weights(
    statistic: Float[Tensor, "K"], content: ByClassStatistic
) -> Float[Tensor, "K"]:
    """Weight of each class from its statistic, float64; 1, the neutral weight, where unknown."""
    falls = content.statistic in ("accuracy", "inverted_loss")
    weights = mapped(1.0 - statistic if falls else statistic, content.mapping)
    ceiling = None if content.ceiling == "none" else content.ceiling
    return weights.nan_to_num(nan=1.0).clamp(min=content.floor, max=ceiling)


def _inputs(statistic: Statistic) -> tuple[int, ...]:
    """Which of a step's rows, values and then the count, enters each decayed sum."""
    return (0, 2, 1, 0, 2, 2, 2, 2) if statistic == "progress" else (0, 1)


def _recursion(statistic: Statistic, slow: float, fast: float) -> tuple[Tensor, Tensor]:
    """Decay and gain of each sum, [sums, 1]: `S <- decay S + gain s`.

    Those of `progress` are the slow sums of loss, count and squared loss, the fast ones of loss and
    count, and the counts times the squares and the product of both averages' weights.
    """
    decays, gains = [slow, slow], [1.0 - slow, 1.0 - slow]
    if statistic == "progress":
        pairs = ((slow, slow), (slow, fast), (fast, fast))
        decays += [slow, fast, fast, *(a * b for a, b in pairs)]
        gains += [1.0 - slow, 1.0 - fast, 1.0 - fast, *((1.0 - a) * (1.0 - b) for a, b in pairs)]
    columns = torch.tensor([decays, gains], dtype=torch.float64, device="cpu")
    return columns[0, :, None], columns[1, :, None]


def _progress(sums: Float[Tensor, "8 K"]) -> Float[Tensor, "K"]:
    """Slow less fast average over its standard error; NaN where that is 0 but for rounding.

    Both averages weight the same losses, by `a` and `b`. For independent losses of variance `v` the
    variance of the difference is `v sum((a - b)^2)`.
    """
    loss, count, square, fast_loss, fast_count, slow_slow, slow_fast, fast_fast = sums
    slow, fast = loss / count, fast_loss / fast_count
    variance = square / count - slow.square()
    squares = slow_slow / count.square(), fast_fast / fast_count.square()
    weight = squares[0] + squares[1] - 2.0 * slow_fast / (count * fast_count)
    is_known = (
        (count > _MIN_COUNT)
        & (fast_count > _MIN_COUNT)
        & (variance > _ROUNDING * square / count)
        & (weight > _ROUNDING * squares[1])
    )
    return torch.where(is_known, (slow - fast) / (variance * weight).sqrt(), torch.nan)


def _inverted(loss: Float[Tensor, "K"]) -> Float[Tensor, "K"]:
    """`1 - (L - min) / (max - min)` over the classes seen; NaN where they do not differ."""
    seen = loss[~loss.isnan()]
    if not len(seen) or not bool(seen.max() > seen.min()):
        return torch.full_like(loss, torch.nan)
    return 1.0 - (loss - seen.min()) / (seen.max() - seen.min())
