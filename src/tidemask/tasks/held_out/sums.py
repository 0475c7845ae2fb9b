"""What held-out loss is made of: sums over masked tokens, added up over batches and processes.

Dimensions: `N` measured tokens, `K` classes (`K1` is `K + 1`, the last for none), `F` bands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tidemask.run_record import (
    FREQUENCY_BANDS,
    HELD_OUT,
    held_out_band_loss,
    held_out_loss,
)
from tidemask.token_classes import NO_CLASS

Reduce = Callable[[Tensor], Tensor]
"""Sums a float64 vector over ranks."""


@dataclass(frozen=True)
class MeasuredTokens:
    """The masked tokens of a batch, on the CPU."""

    loss: Tensor  # [N] float64, nats
    token_class: Tensor  # [N] int64, `NO_CLASS` for none
    band: Tensor | None  # [N] int64, index into `FREQUENCY_BANDS`
    sequence: Tensor  # [N] int64, row in the batch

    @classmethod
    def joined(cls, draws: Sequence[MeasuredTokens]) -> MeasuredTokens:
        """The tokens of several maskings of one batch."""
        bands = [one.band for one in draws if one.band is not None]
        return cls(
            loss=torch.cat([one.loss for one in draws]),
            token_class=torch.cat([one.token_class for one in draws]),
            band=torch.cat(bands) if bands else None,
            sequence=torch.cat([one.sequence for one in draws]),
        )


@dataclass(frozen=True)
class GroupSums:
    """Summed loss and number of the tokens of each group of a kind."""

    loss: Tensor
    count: Tensor

    @classmethod
    def zeros(cls, num_groups: int) -> GroupSums:
        """Of no token."""
        return cls(_zeros(num_groups), _zeros(num_groups))

    def add(self, loss: Tensor, group: Tensor) -> None:
        """Take more tokens with the group of each."""
        size = self.loss.shape[0]
        self.loss.add_(_total(loss, group, size))
        self.count.add_(torch.bincount(group, minlength=size))

    def means(self, names: Iterable[str]) -> dict[str, float]:
        """Mean loss of each group that occurs, by its name; groups after the last name are not."""
        groups = zip(names, self.loss.tolist(), self.count.tolist(), strict=False)
        return {name: loss / count for name, loss, count in groups if count > 0}


@dataclass(frozen=True)
class HeldOutSums:
    """Of one masking ratio. Standard errors treat sequences as the units of sampling."""

    by_class: GroupSums  # [K1]
    by_band: GroupSums  # [F]
    moments: Tensor  # [3]: sums over sequences of l^2, l c, c^2

    @classmethod
    def zeros(cls, num_classes: int) -> HeldOutSums:
        """Of no token, for so many classes."""
        bands = GroupSums.zeros(len(FREQUENCY_BANDS))
        return cls(GroupSums.zeros(num_classes + 1), bands, _zeros(3))

    def add(self, tokens: MeasuredTokens, num_sequences: int) -> None:
        """Take the masked tokens of a batch of `num_sequences`."""
        no_class = self.by_class.loss.shape[0] - 1
        classes = torch.where(tokens.token_class == NO_CLASS, no_class, tokens.token_class)
        self.by_class.add(tokens.loss, classes)
        if tokens.band is not None:
            self.by_band.add(tokens.loss, tokens.band)
        losses = _total(tokens.loss, tokens.sequence, num_sequences)
        counts = torch.bincount(tokens.sequence, minlength=num_sequences).double()
        self.moments.add_(torch.stack([losses @ losses, losses @ counts, counts @ counts]))

    def reduced(self, reduce: Reduce) -> HeldOutSums:
        """The sums over all ranks."""
        parts = [
            self.by_class.loss, self.by_class.count, self.moments,
            self.by_band.loss, self.by_band.count,
        ]  # fmt: skip
        summed = torch.split(reduce(torch.cat(parts)), [len(part) for part in parts])
        return HeldOutSums(GroupSums(*summed[:2]), GroupSums(*summed[3:]), summed[2])

    def metrics(self, percent: int, class_names: Sequence[str]) -> dict[str, float]:
        """Losses by name, nats per token; empty where no token was masked."""
        total, loss = float(self.by_class.count.sum()), float(self.by_class.loss.sum())
        if not total > 0:
            return {}
        name = held_out_loss(percent)
        bands = (held_out_band_loss(percent, band) for band in FREQUENCY_BANDS)
        return {
            name: loss / total,
            f"{name}_standard_error": self._standard_error(),
            **self.by_class.means(f"{name}/{class_name}" for class_name in class_names),
            **self.by_band.means(bands),
            f"{HELD_OUT}num_predicted_{percent}": int(total),
        }

    def _standard_error(self) -> float:
        """Of the quotient of sums, with sequences as clusters (linearised ratio estimator)."""
        total = float(self.by_class.count.sum())
        mean = float(self.by_class.loss.sum()) / total
        squares, products, counts = self.moments.tolist()
        return math.sqrt(max(0.0, squares - 2.0 * mean * products + mean * mean * counts)) / total


def _zeros(size: int) -> Tensor:
    return torch.zeros(size, dtype=torch.float64)


def _total(values: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    """Sum per group, float64; `bincount` with weights would count integers where none is given."""
    return _zeros(num_groups).index_add_(0, groups, values)
