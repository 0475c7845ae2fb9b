"""What all ratio schedules share: how they are called, and the checks of their numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod

from tidemask.settings import Settings, check_share


class ScheduleBase(Settings, ABC):
    """Checks the progress, and the ratios of a schedule that have one of these five names."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ratio", "start", "middle", "peak", "end"):
            if hasattr(self, name):
                check_share(name, getattr(self, name))

    def __call__(self, progress: float) -> float:
        """The ratio at `progress` in [0, 1]."""
        if not 0.0 <= progress <= 1.0:
            raise ValueError(f"progress={progress:g}. Expected a number from 0 to 1.")
        return self._at(progress)

    @abstractmethod
    def _at(self, s: float) -> float:
        """The ratio at a progress that was checked."""
