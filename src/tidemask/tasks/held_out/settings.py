"""How held-out loss is measured: how much text, how many draws, how often in a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tidemask.settings import MAX_BATCH, Settings, check_at_least, check_integer

Part = Literal["all", "even", "odd"]
"""Which of the stretches of the held-out split are read."""

_STRETCHES = 16
"""Into so many the split is cut, in its order: a half has text of every place of it, and shares a
document with the other at their borders alone."""
_MAX_DRAWS = 1000
"""The error that the draws leave is then below a thousandth of that of the text."""


@dataclass(frozen=True, kw_only=True)
class HeldOutSettings(Settings):
    """How held-out loss is measured; the same for every recipe."""

    every_steps: int = 0
    """Optimizer steps between two measurements during training; 0 measures ten times a run."""
    part: Part = "all"
    """Of the held-out text: `all`, or every second of 16 equal stretches, `even` or `odd`; what was
    chosen on one half can be judged on the other."""
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

    def rows(self, size: int) -> Sequence[int]:
        """The rows that are read of a split of `size`, in its order.

        Example:
            >>> from tidemask.tasks.held_out.settings import HeldOutSettings
            >>> [list(HeldOutSettings(part=part).rows(5)) for part in ("all", "even", "odd")]
            [[0, 1, 2, 3, 4], [0, 2, 4], [1, 3]]
        """
        if self.part == "all":
            return range(size)
        stretches, parity = min(_STRETCHES, size), ("even", "odd").index(self.part)
        return [row for row in range(size) if row * stretches // size % 2 == parity]

    def measures_start(self, *, is_warm: bool) -> bool:
        """Whether the starting model is measured, `is_warm` where it was trained before."""
        return is_warm if self.at_start == "auto" else self.at_start
