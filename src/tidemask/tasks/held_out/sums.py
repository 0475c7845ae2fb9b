"""Sums over masked tokens, added up over batches and processes, and the held-out losses from them.

Losses are summed by class of token, and by band of vocabulary entry: frequent entries are learned
early and rare ones late or never, whatever their part of speech, so a recipe may gain on the former
and lose on the latter. The bands follow from the corpus by a fixed rule, so that runs on the same
corpus are measured on the same bands.

Dimensions: `N` masked tokens, `K` classes (`K1` is `K + 1`, the last for none), `F` bands, `V`
vocabulary entries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
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
class HeldOutSums:
    """Sums at one masking ratio. Standard errors take sequences as the units of sampling."""

    by_class: Tensor  # [2, K1]: loss and number of tokens of each class, float64
    by_band: Tensor  # [2, F]: the same of each band
    moments: Tensor  # [3]: sums over sequences of l^2, l c, c^2; l their loss, c their tokens

    @classmethod
    def zeros(cls, num_classes: int) -> HeldOutSums:
        """Start with no token, for a number of classes."""
        sizes = (2, num_classes + 1), (2, len(FREQUENCY_BANDS)), (3,)
        return cls(*(torch.zeros(size, dtype=torch.float64) for size in sizes))

    def add(self, tokens: MaskedTokens, num_sequences: int) -> None:
        """Add the masked tokens of a batch of `num_sequences` sequences."""
        no_class = self.by_class.shape[1] - 1
        classes = torch.where(tokens.token_class == NO_CLASS, no_class, tokens.token_class)
        self.by_class.add_(torch.stack(_totals(tokens.loss, classes, no_class + 1)))
        if tokens.band is not None:
            num_bands = len(FREQUENCY_BANDS)
            self.by_band.add_(torch.stack(_totals(tokens.loss, tokens.band, num_bands)))
        losses, counts = _totals(tokens.loss, tokens.sequence, num_sequences)
        self.moments.add_(torch.stack([losses @ losses, losses @ counts, counts @ counts]))

    def reduced(self, reduce: Reduce) -> HeldOutSums:
        """The sums over all ranks."""
        parts = [self.by_class, self.by_band, self.moments]
        whole = reduce(torch.cat([part.flatten() for part in parts]))
        summed = torch.split(whole, [part.numel() for part in parts])
        return HeldOutSums(*(new.view_as(old) for new, old in zip(summed, parts, strict=True)))

    def metrics(self, percent: int, class_names: Sequence[str]) -> dict[str, float]:
        """Losses by name, nats per token; empty where no token was masked."""
        loss, total = (float(row.sum()) for row in self.by_class)
        if not total > 0:
            return {}
        name = held_out_loss(percent)
        bands = (held_out_band_loss(percent, band) for band in FREQUENCY_BANDS)
        return {
            name: loss / total,
            f"{name}_standard_error": self._standard_error(loss / total, total),
            **_means(self.by_class, (f"{name}/{class_name}" for class_name in class_names)),
            **_means(self.by_band, bands),
            f"{HELD_OUT}num_predicted_{percent}": int(total),
        }

    def _standard_error(self, mean: float, total: float) -> float:
        """Standard error of the mean loss, nats."""
        # The mean r is a quotient of two sums over sequences, of losses l and of counts c. To first
        # order its error is that of the sum of l - r c, whose squares the moments give.
        squares, products, counts = self.moments.tolist()
        return math.sqrt(max(0.0, squares - 2.0 * mean * products + mean * mean * counts)) / total


def _totals(loss: Tensor, group: Tensor, num_groups: int) -> tuple[Tensor, Tensor]:
    """Summed loss and number of the tokens of each group, float64 [num_groups]."""
    # `bincount` with weights would return integers if there are no values.
    losses = torch.zeros(num_groups, dtype=torch.float64).index_add_(0, group, loss)
    return losses, torch.bincount(group, minlength=num_groups).double()


def _means(sums: Tensor, names: Iterable[str]) -> dict[str, float]:
    """Mean loss of each group that has tokens, by name; groups without a name are left out."""
    groups = zip(names, *sums.tolist(), strict=False)
    return {name: loss / count for name, loss, count in groups if count > 0}


def frequency_bands(token_counts: Int[Tensor, "V"]) -> Int[Tensor, "V"] | None:
    """Band of each vocabulary entry, an index into `FREQUENCY_BANDS`, int64.

    Let `s` be the share of the training tokens whose entry is strictly more frequent than this
    one. The entry is in the band `low-high` with `low <= 100 s < high`; an entry that was never
    seen has `s = 1` and is in the last band. So entries of the same frequency share a band, and
    the first band is the smallest set of the most frequent entries that makes up half the tokens
    or more (ties included).

    Args:
        token_counts: how often each entry occurs among the maskable training tokens.

    Returns:
        `None` where no entry occurs.

    Example:
        >>> import torch
        >>> frequency_bands(torch.tensor([60, 20, 15, 5, 0])).tolist()
        [0, 1, 2, 3, 4]
    """
    total = int(token_counts.sum())
    if total == 0:
        return None
    # `up_to[i]` is the number of tokens of the `i` rarest entries; what is more frequent than an
    # entry is the total less all entries up to and including its own count.
    ordered = token_counts.long().sort().values
    up_to = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)])
    more_frequent = total - up_to[torch.searchsorted(ordered, token_counts.long(), right=True)]
    lowest = torch.tensor([low for low, _ in FREQUENCY_BANDS])
    is_reached = 100 * more_frequent[:, None] >= lowest * total
    return is_reached.sum(dim=1) - 1
