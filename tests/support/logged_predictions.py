"""Predicted tokens of a made-up run, and in plain numpy what weights follow of them, by the cards.

What the state of a run keeps as decayed sums is here a weighted mean over all tokens of all steps.
Formulas are those of docs/methods/statistics.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tidemask import class_statistic_sums
from tidemask.masking.class_statistic import ClassStatistic
from tidemask.masking.learned_weighting import Statistic
from tidemask.masking.map_settings import PowerMap, RankMap, SigmoidMap

Values = NDArray[Any]


class Log:
    """The predicted tokens of a run: loss in nats, whether the first choice, class, step.

    Args:
        seed: of the tokens.
        num_steps: optimizer steps.
        empty: share of the steps that predict nothing.
        num_classes: classes of which there are statistics; the tokens made here have three.
        horizon: memory in optimizer steps.
        fast: that of the fast average.
    """

    def __init__(
        self,
        seed: int,
        num_steps: int,
        *,
        empty: float = 0.2,
        num_classes: int = 3,
        horizon: int = 7,
        fast: int = 2,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.num_classes, self.horizon, self.fast = num_classes, horizon, fast
        self.steps: list[tuple[Values, Values, Values]] = []
        for step in range(num_steps):
            count = 0 if rng.random() < empty else int(rng.integers(1, 30))
            classes = rng.choice([0, 0, 1, 2, 255], count)
            loss = rng.gamma(2.0, 2.0 / (1 + 0.1 * step), count)
            self.steps.append((loss, rng.random(count) < np.exp(-loss), classes))

    def take_in(self, statistic: Statistic, state: ClassStatistic, step: int) -> None:
        """What a trainer does after a step; every other token is not predicted."""
        loss, right, classes = (np.repeat(a, 2) for a in self.steps[step])
        labels = np.tile([9, -100], len(loss) // 2)
        sums = class_statistic_sums(
            statistic,
            torch.tensor(np.where(labels < 0, 1e9, loss)),
            torch.tensor(labels, dtype=torch.int64),
            torch.tensor(classes, dtype=torch.uint8),
            num_classes=self.num_classes,
            first_choice=torch.tensor(right) if statistic == "accuracy" else None,
        )
        state.update(*sums, step=step)

    def expected(self, statistic: Statistic, step: int, prior: float = 0.0) -> Values:
        """The statistic after a step, by class."""
        logged = [one for one in self.steps[: step + 1] if (one[2] < self.num_classes).any()]
        num = len(logged)
        age = np.concatenate([np.full(len(s[0]), num - 1 - i) for i, s in enumerate(logged)])
        loss, right, classes = (np.concatenate([s[i] for s in logged]) for i in range(3))
        slow, fast = (1 - 1 / self.horizon) ** age, (1 - 1 / self.fast) ** age
        q = np.exp(-loss)
        of_token = {"accuracy": right, "learnability": q * (1 - q)}.get(statistic, loss)
        every = classes < self.num_classes
        mean_of_all = np.average(of_token[every], weights=slow[every])
        found = np.full(self.num_classes, np.nan)
        for k in range(self.num_classes):
            of = classes == k
            if not of.any():
                continue
            if statistic == "progress":
                found[k] = progress_of(loss[of], slow[of], fast[of])
                continue
            total = slow[of].sum() + prior  # the latest token counts as one of them
            found[k] = ((slow[of] * of_token[of]).sum() + prior * mean_of_all) / total
        if statistic == "inverted_loss":
            spread = np.nanmax(found) - np.nanmin(found)
            found = 1 - (found - np.nanmin(found)) / spread if spread > 0 else found * np.nan
        return found


def progress_of(loss: Values, slow: Values, fast: Values) -> float:
    """Slow less fast average over its standard error, the tokens being independent."""
    a, b = slow / slow.sum(), fast / fast.sum()
    mean = (a * loss).sum()
    variance = (a * (loss - mean) ** 2).sum()
    error = np.sqrt(variance * ((a - b) ** 2).sum())
    return float((mean - (b * loss).sum()) / error) if error > 0 else np.nan


def plain_map(x: Values, mapping: SigmoidMap | PowerMap | RankMap) -> Values:
    """Weights of known numbers, from the card."""
    if isinstance(mapping, SigmoidMap):
        scaled = mapping.sharpness * (x - x.mean()) / x.std(ddof=1)
        return np.asarray(2 / (1 + np.exp(-scaled)))
    if isinstance(mapping, PowerMap):
        return np.asarray((np.maximum(x, 0) / np.maximum(x, 0).mean()) ** mapping.exponent)
    ranks = np.array([(x < one).sum() + ((x == one).sum() + 1) / 2 for one in x])
    return (2 * ranks - 1) / len(x)
