"""Our own state within a checkpoint: class losses, logging sums, identity, as numbers in JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemask.masking.ratio_bandit import BanditState
from tidemask.reading import ANY_LENGTH, read_json
from tidemask.training.logging_window import LoggingWindow

if TYPE_CHECKING:
    from tidemask.masking.class_loss import ClassLossState
    from tidemask.masking.class_statistic import ClassStatisticState

STATE_FILE = "tidemask_state.json"
"""Its name in a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class LearnedLosses:
    """Cumulative losses of classes, or of vocabulary entries, as `ClassLoss` keeps them."""

    class_names: list[str]
    loss_sum: list[float]
    count: list[float]

    def __post_init__(self) -> None:
        if not len(self.class_names) == len(self.loss_sum) == len(self.count):
            raise ValueError(
                f"{len(self.class_names)} class_names with {len(self.loss_sum)} values of loss_sum "
                f"and {len(self.count)} of count"
            )

    def plain(self) -> ClassLossState:
        """What `ClassLoss.load_state_dict` takes."""
        return {
            "class_names": self.class_names,
            "loss_sum": self.loss_sum,
            "count": self.count,
        }


@dataclass(frozen=True, kw_only=True)
class LearnedStatistic:
    """A statistic of classes, or of vocabulary entries, as `ClassStatistic` keeps it."""

    class_names: list[str]
    sums: list[list[float]]
    held: list[float | None]

    def __post_init__(self) -> None:
        sizes = {len(self.held), *map(len, self.sums)}
        if sizes != {len(self.class_names)}:
            raise ValueError(
                f"{len(self.class_names)} class_names with sums and held values of "
                f"{sorted(sizes)} classes"
            )

    def plain(self) -> ClassStatisticState:
        """What `ClassStatistic.load_state_dict` takes."""
        return {"class_names": self.class_names, "sums": self.sums, "held": self.held}


@dataclass(frozen=True, kw_only=True)
class AccountingState:
    """What is kept of the losses of all steps so far.

    Attributes:
        window: sums to log.
        class_loss: of the token classes, where the policy learns from them.
        vocabulary_loss: of the vocabulary's entries, likewise.
        class_statistic: what weights follow in the place of losses.
    """

    window: LoggingWindow
    class_loss: LearnedLosses | None = None
    vocabulary_loss: LearnedLosses | None = None
    class_statistic: LearnedStatistic | None = None


@dataclass(frozen=True, kw_only=True)
class RatioLoopState:
    """The open block, as plain numbers for a checkpoint.

    Attributes:
        bandit: what was learned before it.
        block: its number, from 0.
        arm: its ratio's place in the grid.
        first_step: its first step, 0-based.
        loss: the reference loss at its beginning, nats per token.
        operations: of the run until then.
        reward: of the block before; `None` in the first.
    """

    bandit: BanditState
    block: int
    arm: int
    first_step: int
    loss: float
    operations: float
    reward: float | None = None


@dataclass(frozen=True, kw_only=True)
class CheckpointState(AccountingState):
    """What continues a run besides weights, optimizer and generators.

    Attributes:
        step: optimizer steps done.
        global_batch_size: sequences per optimizer step over all ranks.
        identity: what must not change when the run continues.
        unlogged: learning rate and gradient norm of a line of metrics whose evaluation was cut
            short; it is written when the run continues.
        num_lines: lines of metrics that the run had; `None` in checkpoints of earlier versions.
        lines_sha256: digest of these lines; `None` where it was not taken.
        ratio_loop: what the masking ratio follows, where it follows measurements.
    """

    step: int
    global_batch_size: int
    identity: dict[str, Any]
    unlogged: dict[str, float | None] | None = None
    num_lines: int | None = None
    lines_sha256: str | None = None
    ratio_loop: RatioLoopState | None = None


def write_state(directory: Path, state: CheckpointState) -> None:
    """Write our own state into a checkpoint."""
    (directory / STATE_FILE).write_text(json.dumps(asdict(state)) + "\n", encoding="utf-8")


def read_state(directory: Path) -> CheckpointState:
    """Our own state from a checkpoint.

    Raises:
        UserError: it is missing or damaged, or a field of it is of another type.
    """
    what = "state of the checkpoint"
    return read_json(directory / STATE_FILE, CheckpointState, what=what, max_bytes=ANY_LENGTH)
