"""Corruption: what the input shows at the drawn positions.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tidemask.masking.schedule import Schedule, ratio_at
from tidemask.masking.shares import points_of
from tidemask.settings import Settings, check_share


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of the drawn positions at one step; they add up to 1."""

    mask: float
    random: float
    keep: float


@dataclass(frozen=True, kw_only=True)
class Corruption(Settings):
    """Shares of the drawn positions that become the mask token, a random token, or stay.

    Each is a number, or a schedule over progress.

    References:
        Devlin et al., "BERT" (NAACL 2019), section 3.1: 0.8, 0.1, 0.1. Deviation: random tokens are
        never special ones, nor entries that text never has (`Vocabulary.unused_ids`).
    """

    mask: float | Schedule = 0.8
    """Share that becomes the mask token, in [0, 1]."""
    random: float | Schedule = 0.1
    """Share that becomes a uniformly random vocabulary entry, not special nor unused, in [0, 1]."""
    keep: float | Schedule = 0.1
    """Share that stays as it is, in [0, 1]; the three add up to 1 at any progress."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("mask", "random", "keep"):
            value = getattr(self, name)
            if isinstance(value, int | float):
                check_share(name, value)
        for progress in points_of((self.mask, self.random, self.keep)):
            self.at(progress)

    def at(self, progress: float) -> Shares:
        """The shares at `progress` in [0, 1].

        Raises:
            ValueError: they do not add up to 1 there.
        """
        shares = Shares(
            mask=ratio_at(self.mask, progress),
            random=ratio_at(self.random, progress),
            keep=ratio_at(self.keep, progress),
        )
        total = shares.mask + shares.random + shares.keep
        if not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(
                f"mask={shares.mask:g}, random={shares.random:g} and keep={shares.keep:g} add up "
                f"to {total:g} at progress {progress:g}. Expected shares that add up to 1."
            )
        return shares
