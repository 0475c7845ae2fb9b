"""Sums over masked tokens, added up over batches and processes, and the held-out losses from them.

Dimensions: `N` masked tokens, `K` classes (`K1` is `K + 1`, the last for none), `F` bands.
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
class MaskedTokens:
    """The masked tokens of a batch with the losses on them, on the CPU."""

    loss: Tensor  # [N] float64, nats
    token_class: Tensor  # [N] int64, `NO_CLASS` for none
    band: Tensor | None  # [N] int64, index into `FREQUENCY_BANDS`
    sequence: Tensor  # [N] int64, row in the batch

    @classmethod
    def joined(cls, draws: Sequence[MaskedTokens]) -> MaskedTokens:
        """The tokens of several maskings of one batch."""
        bands = [draw.band for draw in draws if draw.band is not None]
        return cls(
            loss=torch.cat([draw.loss for draw in draws]),
            token_class=torch.cat([draw.token_class for draw in draws]),
            band=torch.cat(bands) if bands else None,
            sequence=torch.cat([draw.sequence for draw in draws]),
        )


@dataclass(frozen=True)
class GroupSums:
    """Sum of the losses and number of tokens in each group, float64 [K1] or [F]."""

    loss: Tensor
    count: Tensor

    @classmethod
    def zeros(cls, num_groups: int) -> GroupSums:
        """Start with no token in any group."""
        return cls(_zeros(num_groups), _zeros(num_groups))

    def add(self, loss: Tensor, group: Tensor) -> None:
        """Add tokens, given the loss and the group of each."""
        size = self.loss.shape[0]
        self.loss.add_(_total(loss, group, size))
        self.count.add_(torch.bincount(group, minlength=size))

    def means(self, names: Iterable[str]) -> dict[str, float]:
        """Mean loss of each group that has tokens, by name; groups without a name are left out."""
        groups = zip(names, self.loss.tolist(), self.count.tolist(), strict=False)
        return {name: loss / count for name, loss, count in groups if count > 0}


@dataclass(frozen=True)
class HeldOutSums:
    """Sums at one masking ratio. Standard errors take sequences as the units of sampling."""

    by_class: GroupSums  # [K1]
    by_band: GroupSums  # [F]
    moments: Tensor  # [3]: sums over sequences of l^2, l c, c^2; l their loss, c their tokens

    @classmethod
    def zeros(cls, num_classes: int) -> HeldOutSums:
        """Start with no token, for a number of classes."""
        bands = GroupSums.zeros(len(FREQUENCY_BANDS))
        return cls(GroupSums.zeros(num_classes + 1), bands, _zeros(3))

    def add(self, tokens: MaskedTokens, num_sequences: int) -> None:
        """Add the masked tokens of a batch of `num_sequences` sequences."""
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
        """Standard error of the mean loss, nats."""
        # The mean r is a quotient of two sums over sequences, of losses l and of counts c. To first
        # order its error is that of the sum of l - r c, whose squares the moments give.
        total = float(self.by_class.count.sum())
        mean = float(self.by_class.loss.sum()) / total
        squares, products, counts = self.moments.tolist()
        return math.sqrt(max(0.0, squares - 2.0 * mean * products + mean * mean * counts)) / total


def _zeros(size: int) -> Tensor:
    return torch.zeros(size, dtype=torch.float64)


def _total(values: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    """Sum per group, float64; `bincount` with weights returns integers if there are no values."""
    return _zeros(num_groups).index_add_(0, groups, values)
