"""A ratio that follows what the run measures: the bandit Exp3.S over a grid of ratios.

The run is cut into blocks of steps. Each block has one ratio of the grid, an arm; at its end a
reward says how much was learned in it. Here are the probabilities, the choice and the update, which
are functions of plain numbers; `training/ratio_loop.py` measures the rewards.

Exp3.S assumes nothing of the rewards but that they are in [0, 1]: the best arm may change during
the run, and is found again since every arm keeps a share of all weights.

References:
    Auer, Cesa-Bianchi, Freund, Schapire, "The nonstochastic multiarmed bandit problem" (SIAM
    Journal on Computing 32, 2002), section 8: Exp3.S. Graves, Bellemare, Menick, Munos,
    Kavukcuoglu, "Automated curriculum learning for neural networks" (ICML 2017): rewards by the
    20th and 80th percentiles of the earlier ones. Deviations: docs/methods/closed-loop.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Literal

from tidemask.masking.schedule_base import ScheduleBase
from tidemask.settings import check_at_least, check_integer, check_share

_BLOCKS = 100
"""Of a run, where their length is `auto`."""
_LOW, _HIGH = 0.2, 0.8
"""Quantiles of the latest rewards that become 0 and 1."""


@dataclass(frozen=True, kw_only=True)
class BanditState:
    """What Exp3.S knows between two blocks, as plain numbers.

    Attributes:
        log_weights: of each arm; only their differences matter.
        rewards: of the latest blocks, in their order, as measured.
    """

    log_weights: tuple[float, ...]
    rewards: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bandit(ScheduleBase):
    """One of several ratios for each block of steps, chosen by what the earlier blocks gained.

    Which ratio a step has depends on the run. Called with a progress alone, as previews and
    forecasts do, it gives the mean of the grid, which is the mean of its choices before anything
    was measured.

    Example:
        >>> from tidemask.masking.ratio_bandit import Bandit
        >>> bandit = Bandit(ratios=(0.15, 0.3))
        >>> state = bandit.updated(bandit.new_state(), arm=1, reward=0.2, num_blocks=100)
        >>> [round(chance, 3) for chance in bandit.probabilities(state)]
        [0.474, 0.526]
    """

    schedule: Literal["bandit"] = "bandit"
    ratios: tuple[float, ...] = (0.08, 0.15, 0.3, 0.45)
    """The arms: shares of maskable tokens, ascending, in (0, 1]; at least two."""
    block_steps: int | Literal["auto"] = "auto"
    """Optimizer steps of a block, at least 1; `auto` is a hundredth of the run, rounded up."""
    sequences: int = 128
    """Held-out sequences that are measured at the beginning of each block, at least 1."""
    exploration: float = 0.3
    """`gamma`: the share of choices that is uniform over the arms, in (0, 1]. It is the speed of
    learning too."""
    history_blocks: int = 10
    """The latest blocks whose rewards say what is much and what is little, at least 2. Few, as
    rewards fall over a run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_ratios()
        for name, minimum in (("sequences", 1), ("history_blocks", 2)):
            check_at_least(name, getattr(self, name), minimum)
        if self.block_steps != "auto":
            check_at_least("block_steps", self.block_steps, 1)
        if not 0.0 < self.exploration <= 1.0:
            raise ValueError(
                f"exploration={self.exploration:g}. Expected a number above 0, at most 1."
            )

    def _check_ratios(self) -> None:
        for ratio in self.ratios:
            check_share("ratios", ratio)
        ascends = all(a < b for a, b in pairwise((0.0, *self.ratios)))
        if len(self.ratios) < 2 or not ascends:
            raise ValueError(
                f"ratios={list(self.ratios)}. Expected at least two ratios above 0, ascending; "
                "schedule=constant holds a single one."
            )

    def _at(self, s: float) -> float:  # noqa: ARG002
        return math.fsum(self.ratios) / len(self.ratios)

    def steps_of_block(self, num_steps: int) -> int:
        """Optimizer steps of a block in a run of `num_steps`."""
        return -(-num_steps // _BLOCKS) if self.block_steps == "auto" else self.block_steps

    def num_blocks(self, num_steps: int) -> int:
        """Blocks of a run of `num_steps`, of which the last may be shorter."""
        return -(-num_steps // self.steps_of_block(num_steps))

    def new_state(self) -> BanditState:
        """The state before the first block: all arms are alike."""
        return BanditState(log_weights=(0.0,) * len(self.ratios))

    def probabilities(self, state: BanditState) -> tuple[float, ...]:
        """Chance of each arm: `(1 - gamma) w / sum(w) + gamma / K`."""
        weights = _shares(state.log_weights)
        floor = self.exploration / len(weights)
        return tuple((1.0 - self.exploration) * weight + floor for weight in weights)

    def choose(self, state: BanditState, *, seed: int, block: int) -> int:
        """The arm of a block, drawn with the keyed noise of the run: no generator is touched.

        Args:
            state: when the block begins.
            seed: of the whole run.
            block: its number, from 0.
        """
        block = check_integer("block", block, minimum=0)
        # Settings are read where nothing is trained, too, and without torch.
        import torch

        from tidemask.masking.noise import DRAW_BITS, Purpose, StepKey, Streams

        once = torch.zeros(1, dtype=torch.int32, device="cpu")
        streams = Streams(StepKey(seed, block), once.long(), [Purpose.RATIO_CHOICE])
        drawn = int(streams.draws(Purpose.RATIO_CHOICE, once)) / (1 << DRAW_BITS)
        reached = accumulate(self.probabilities(state))
        # Rounding may leave the last sum below 1, hence the last arm where none is reached.
        return next((arm for arm, sum_ in enumerate(reached) if drawn < sum_), len(self.ratios) - 1)

    def updated(
        self, state: BanditState, *, arm: int, reward: float, num_blocks: int
    ) -> BanditState:
        """The state after a block: Exp3.S with `alpha = 1 / num_blocks`.

        `w <- w exp(gamma x / (K p)) + (e alpha / K) sum(w)`, where `x` is the reward in [0, 1] of
        the arm that was played, 0 for the others, and `p` the chance that it had.

        Args:
            state: when the block began.
            arm: that it had.
            reward: as measured, finite; see `scaled_reward`.
            num_blocks: of the run, on which the share depends that every arm is given back.
        """
        if not math.isfinite(reward):
            raise ValueError(f"reward={reward:g}. Expected a finite number.")
        rewards = (*state.rewards, reward)[-self.history_blocks :]
        num_arms = len(self.ratios)
        chance = self.probabilities(state)[arm]
        # In shares instead of weights, which would overflow in a long run.
        shares = list(_shares(state.log_weights))
        shared = math.e / num_blocks / num_arms
        shares[arm] *= math.exp(self.exploration * scaled_reward(rewards) / (num_arms * chance))
        return replace(
            state, log_weights=tuple(math.log(share + shared) for share in shares), rewards=rewards
        )


def scaled_reward(rewards: Sequence[float]) -> float:
    """The last of some rewards on a scale from 0 to 1: from their 20th to their 80th percentile.

    What is beyond is cut; where these two are equal, it is 1/2. The quantiles are interpolated
    linearly.
    """
    low, high = _quantile(rewards, _LOW), _quantile(rewards, _HIGH)
    if not low < high:
        return 0.5
    return min(1.0, max(0.0, (rewards[-1] - low) / (high - low)))


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    below, part = divmod(share * (len(ordered) - 1), 1.0)
    upper = ordered[min(int(below) + 1, len(ordered) - 1)]
    return ordered[int(below)] + part * (upper - ordered[int(below)])


def _shares(log_weights: Sequence[float]) -> tuple[float, ...]:
    """Weights divided by their sum."""
    highest = max(log_weights)
    weights = [math.exp(weight - highest) for weight in log_weights]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)
