"""How held-out loss is measured: how much text, how many draws, how often in a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tidemask.settings import MAX_BATCH, Settings, check_at_least, check_integer

_MAX_DRAWS = 1000
"""The error that the draws leave is then below a thousandth of that of the text."""


@dataclass(frozen=True, kw_only=True)
class HeldOutSettings(Settings):
    """How held-out loss is measured; the same for every recipe."""

    every_steps: int = 0
    """Optimizer steps between two measurements during training; 0 measures ten times a run."""
    sequences: int = 192
    """Sequences read by each measurement during training, evenly spaced; 0 reads all."""
    draws: int = 1
    """Fixed maskings per ratio and unit during training, 1 to 1000."""
    final_sequences: int = 0
    """Sequences read by the measurement after training; 0 reads all."""
    final_draws: int = 4
    """Fixed maskings per ratio and unit after training, 1 to 1000."""
    batch_size: int = 64
    """Sequences in one forward pass."""
    at_start: bool | Literal["auto"] = "auto"
    """Whether the starting model is measured before the first step; `auto` does so for a model that
    was trained before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("every_steps", "sequences", "final_sequences"):
            check_at_least(name, getattr(self, name), 0)
        check_integer("batch_size", self.batch_size, minimum=1, below=MAX_BATCH + 1)
        for name in ("draws", "final_draws"):
            check_integer(name, getattr(self, name), minimum=1, below=_MAX_DRAWS + 1)

    def interval(self, max_steps: int) -> int:
        """Steps between two measurements in a run of `max_steps`."""
        return self.every_steps or max(1, max_steps // 10)

    def measures_start(self, *, is_warm: bool) -> bool:
        """Whether the starting model is measured, `is_warm` where it was trained before."""
        return is_warm if self.at_start == "auto" else self.at_start
