"""The closed loop of the masking ratio: blocks of steps, their rewards, and the choice of the next.

A block's reward is the fall of a fixed held-out measurement from the block's beginning to its end,
per unit of compute. The model is measured at the beginning of a block's first step, so that a
checkpoint of the step before is saved before it, and a run that continues from there measures the
same weights again. All ranks measure together, get the same number and make the same choice.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tidemask.errors import UserError
from tidemask.masking.masker import Masker
from tidemask.masking.ratio_bandit import Bandit
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.training_flops import TrainingFlops
from tidemask.run_record import ARM_PROBABILITY, REFERENCE_LOSS, REWARD
from tidemask.training.checkpoint_state import RatioLoopState
from tidemask.training.logging_window import LoggingWindow
from tidemask.training.settings import TrainingSettings

MeasureReference = Callable[[SelectedPositionsLM], float]
"""Held-out loss at the reference masking, nats per token; every rank calls it and gets the same."""

_UNIT = 1e15
"""Rewards are nats for so many operations."""
_PER_TOKEN = TrainingFlops(per_seen=1, per_predicted=0)
"""What stands for the operations of an architecture whose operations are not known."""


class RatioLoop:
    """Gives the ratio of each step, and what the log says of it.

    Args:
        bandit: the grid, and how it is chosen from.
        seed: of the run.
        num_steps: planned optimizer steps.
        flops: what training takes for each token; `None` counts the tokens that are read instead.
        measure: the reference loss of the model as it is.

    Attributes:
        state: the open block; `None` before the first step.
    """

    def __init__(
        self,
        bandit: Bandit,
        *,
        seed: int,
        num_steps: int,
        flops: TrainingFlops | None,
        measure: Callable[[], float],
    ) -> None:
        self.state: RatioLoopState | None = None
        self._bandit = bandit
        self._seed = seed
        self._block_steps = bandit.steps_of_block(num_steps)
        self._num_blocks = bandit.num_blocks(num_steps)
        self._flops = flops or _PER_TOKEN
        self._measure = measure

    def begin_step(self, step: int, window: LoggingWindow) -> float:
        """The ratio of a step, 0-based; at the beginning of a block the model is measured.

        Args:
            step: that is to be masked.
            window: has the tokens of all steps before it, and takes the seconds of measuring.
        """
        if self.state is None or self.begins_block(step):
            started = time.perf_counter()
            self.state = self._next_block(step, window)
            window.measuring_seconds += time.perf_counter() - started
        return self._bandit.ratios[self.state.arm]

    def begins_block(self, step: int) -> bool:
        """Whether a step, 0-based, is the first of a block."""
        return self.state is None or step >= self.state.first_step + self._block_steps

    def metrics(self) -> dict[str, float]:
        """For a line of metrics: what the choice of the open block was made from."""
        state = self.state
        if state is None:
            return {}
        chances = self._bandit.probabilities(state.bandit)
        return {
            REFERENCE_LOSS: state.loss,
            **({} if state.reward is None else {REWARD: state.reward}),
            **{
                f"{ARM_PROBABILITY}{ratio:g}": chance
                for ratio, chance in zip(self._bandit.ratios, chances, strict=True)
            },
        }

    def _next_block(self, step: int, window: LoggingWindow) -> RatioLoopState:
        loss = self._measure()
        operations = self._flops.total(
            int(window.total_tokens), int(window.total_selected), int(window.total_scored)
        )
        before, bandit, reward, block = self.state, self._bandit.new_state(), None, 0
        if before is not None:
            spent = (operations - before.operations) / _UNIT
            reward = (before.loss - loss) / spent
            bandit = self._bandit.updated(
                before.bandit, arm=before.arm, reward=reward, num_blocks=self._num_blocks
            )
            block = before.block + 1
        return RatioLoopState(
            bandit=bandit,
            block=block,
            arm=self._bandit.choose(bandit, seed=self._seed, block=block),
            first_step=step,
            loss=loss,
            operations=operations,
            reward=reward,
        )


def ratio_of_last_block(bandit: Bandit, state: RatioLoopState | None) -> float:
    """The ratio that a run ended with.

    Raises:
        UserError: the checkpoint does not say.
    """
    if state is None or not 0 <= state.arm < len(bandit.ratios):
        raise UserError(
            "damaged state of the checkpoint: ratio_loop has no ratio of the grid. Delete the "
            "checkpoint, and go on from the one before it."
        )
    return bandit.ratios[state.arm]


def new_ratio_loop(
    masker: Masker,
    settings: TrainingSettings,
    measure: MeasureReference | None,
    model: Callable[[], SelectedPositionsLM],
    flops: TrainingFlops | None,
) -> RatioLoop | None:
    """The loop of a policy whose ratio follows measurements; `None` for any other.

    Args:
        masker: of the run.
        settings: seed and planned steps.
        measure: what the ratio is rewarded by.
        model: returns what is measured.
        flops: what training takes for each token, where that is known.

    Raises:
        ValueError: the ratio follows measurements, and nothing measures.
    """
    ratio = masker.settings.ratio
    if not isinstance(ratio, Bandit):
        return None
    if measure is None:
        raise ValueError(
            f"measure_reference=None with ratio.schedule={ratio.schedule}. Expected what measures "
            "the model, as the ratio follows it."
        )
    return RatioLoop(
        ratio,
        seed=settings.seed,
        num_steps=settings.num_steps,
        flops=flops,
        measure=lambda: measure(model()),
    )
