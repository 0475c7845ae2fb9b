"""Sums since the last logged step, and totals of the run.

The state is saved with every checkpoint, so that a window that a resume cuts in two is logged as
if the run had not been broken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidemask.run_record import (
    DEVICE_SECONDS,
    LOADING_SHARE,
    MASKING_SHARE,
    MEASURING_SHARE,
    PREDICTED_TOKENS,
    RATIO,
    REALISED_RATIO,
    SCORING_SECONDS,
    SCORING_SHARE,
    SHORTFALL,
    TOKENS_PER_SECOND,
    TOKENS_SEEN,
    WALL_SECONDS,
)

if TYPE_CHECKING:
    from tidemask.training.step_sums import StepTotals


@dataclass
class LoggingWindow:
    """Sums over the optimizer steps since the last logged one, and totals.

    The fields are the keys of the saved state, plain numbers of which JSON keeps every bit; those
    of `TokenCounts` are sums of its counts.
    """

    num_steps: int = 0
    loss: float = 0.0
    normaliser: float = 0.0
    ratio: float = 0.0
    selected: float = 0.0
    corrupted: float = 0.0
    shortfall: float = 0.0
    maskable: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    loading_seconds: float = 0.0
    masking_seconds: float = 0.0
    measuring_seconds: float = 0.0
    scoring_seconds: float = 0.0
    class_selected: list[float] = field(default_factory=list)
    total_tokens: float = 0.0
    total_selected: float = 0.0
    total_seconds: float = 0.0
    total_device_seconds: float = 0.0
    total_scored: float = 0.0

    def add(self, step: StepTotals, *, ratio: float, is_scored: bool = False) -> None:
        """Add one optimizer step, already reduced over ranks, whose positions may be scored."""
        class_count = step.class_count.tolist()
        so_far = self.class_selected or [0.0] * len(class_count)
        self.class_selected = [a + b for a, b in zip(so_far, class_count, strict=True)]
        self.num_steps += 1
        self.loss += step.loss
        self.ratio += ratio
        for name, count in step.counts._asdict().items():
            setattr(self, name, getattr(self, name) + float(count))
        self.total_tokens += float(step.counts.tokens)
        self.total_selected += float(step.counts.selected)
        self.total_scored += float(step.counts.tokens) if is_scored else 0.0

    def add_seconds(
        self,
        seconds: float,
        *,
        num_devices: int = 1,
        loading: float = 0.0,
        masking: float = 0.0,
        scoring: float = 0.0,
    ) -> None:
        """Count time spent on training: not on evaluation, nor on saving.

        Args:
            seconds: of a whole step.
            num_devices: that trained together, one for each process.
            loading: part of it in which the host fetched batches.
            masking: part of it in which the host masked them.
            scoring: part of it in which the model scored positions to be masked.
        """
        self.scoring_seconds += scoring
        self.loading_seconds += loading
        self.masking_seconds += masking
        self.seconds += seconds
        self.total_seconds += seconds
        self.total_device_seconds += seconds * num_devices

    def metrics(self) -> dict[str, float]:
        """Means over the window and totals of the run, by their names in `metrics.jsonl`."""
        capped = {SHORTFALL: self.shortfall / self.maskable} if self.shortfall > 0.0 else {}
        seconds = max(1e-9, self.seconds)
        measuring, scored = self.measuring_seconds / seconds, {}
        if self.scoring_seconds > 0.0:
            scored = {
                SCORING_SECONDS: self.scoring_seconds,
                SCORING_SHARE: self.scoring_seconds / seconds,
            }
        return {
            TOKENS_SEEN: int(self.total_tokens),
            PREDICTED_TOKENS: int(self.total_selected),
            WALL_SECONDS: self.total_seconds,
            DEVICE_SECONDS: self.total_device_seconds,
            "loss": self.loss / max(1.0, self.normaliser),
            RATIO: self.ratio / max(1, self.num_steps),
            REALISED_RATIO: self.corrupted / max(1.0, self.maskable),
            **capped,
            TOKENS_PER_SECOND: self.tokens / seconds,
            LOADING_SHARE: self.loading_seconds / seconds,
            MASKING_SHARE: self.masking_seconds / seconds,
            **({MEASURING_SHARE: measuring} if measuring > 0.0 else {}),
            **scored,
        }

    def class_shares(self) -> list[float]:
        """Share of each class among the selected tokens of the window; empty if there are none."""
        return [count / max(1.0, self.selected) for count in self.class_selected]

    def following(self) -> LoggingWindow:
        """The next window, which has the totals alone."""
        return LoggingWindow(
            total_tokens=self.total_tokens,
            total_selected=self.total_selected,
            total_seconds=self.total_seconds,
            total_device_seconds=self.total_device_seconds,
            total_scored=self.total_scored,
        )
