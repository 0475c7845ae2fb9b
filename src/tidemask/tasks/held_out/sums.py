"""Sums over masked tokens, added up over batches and processes, and the held-out losses from them.

Losses are summed by sequence, so that two models can be compared sequence by sequence; by class of
token; and by band of vocabulary entry: frequent entries are learned early and rare ones late or
never, whatever their part of speech, so a recipe may gain on the former and lose on the latter. The
bands follow from the corpus by a fixed rule, so that runs on the same corpus are measured on the
same bands.

Dimensions: `N` masked tokens, `S` sequences, `K` classes (`K1` is `K + 1`, the last for none), `F`
bands, `V` vocabulary entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from tidemask.run_record import (
    FREQUENCY_BANDS,
    loss_of_band,
    loss_of_class,
    num_predicted_of,
    standard_error_of,
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


@dataclass(frozen=True)
class HeldOutSums:
    """Sums under one masking. Standard errors take sequences as the units of sampling."""

    by_class: Tensor  # [2, K1]: loss and number of tokens of each class, float64
    by_band: Tensor  # [2, F]: the same of each band
    by_sequence: Tensor  # [2, S]: the same of each sequence

    @classmethod
    def zeros(cls, num_classes: int, num_sequences: int) -> HeldOutSums:
        """Start with no token, for numbers of classes and of sequences of all processes."""
        sizes = num_classes + 1, len(FREQUENCY_BANDS), num_sequences
        return cls(*(torch.zeros(2, size, dtype=torch.float64) for size in sizes))

    def add(self, tokens: MaskedTokens, first_sequence: int) -> None:
        """Add the masked tokens of a batch whose first row is the sequence of that number."""
        no_class = self.by_class.shape[1] - 1
        classes = torch.where(tokens.token_class == NO_CLASS, no_class, tokens.token_class)
        sequences = first_sequence + tokens.sequence
        for sums, groups in (
            (self.by_class, classes),
            (self.by_band, tokens.band),
            (self.by_sequence, sequences),
        ):
            if groups is not None:
                sums[0].index_add_(0, groups, tokens.loss)
                sums[1] += torch.bincount(groups, minlength=sums.shape[1])

    def parts(self) -> list[Tensor]:
        """All sums, each a tensor that `reduced` replaces."""
        return [self.by_class, self.by_band, self.by_sequence]

    def metrics(self, name: str, class_names: Sequence[str]) -> dict[str, float]:
        """Losses, nats per token, where `name` is that of all tokens; empty where none was masked.

        Groups of no token are left out.
        """
        loss, total = self.by_sequence.sum(1).tolist()
        if not total > 0:
            return {}
        classes = (loss_of_class(name, class_name) for class_name in class_names)
        bands = (loss_of_band(name, band) for band in FREQUENCY_BANDS)
        return {
            name: loss / total,
            standard_error_of(name): float(self.influence().norm()),
            **_means(self.by_class, classes),
            **_means(self.by_band, bands),
            num_predicted_of(name): int(total),
        }

    def influence(self) -> Float64[Tensor, "S"]:
        """What each sequence adds to the error of the mean loss, nats, to first order.

        The mean r is a quotient of two sums over sequences, of losses l and of counts c; its error
        is that of the sum of (l - r c) / sum of c, so the standard error is the root of the sum of
        squares (Cochran, "Sampling Techniques", 3rd edition 1977, section 6.3, for a population
        without end). That of a mean of such means follows from the mean of their influences.
        """
        loss, count = self.by_sequence
        influence: Tensor = (loss - loss.sum() / count.sum() * count) / count.sum()
        return influence


def reduced(sums: Sequence[HeldOutSums], reduce: Reduce) -> list[HeldOutSums]:
    """The same sums over all ranks, in one reduction."""
    parts = [part for of_masking in sums for part in of_masking.parts()]
    whole = reduce(torch.cat([part.flatten() for part in parts]))
    summed = iter(torch.split(whole, [part.numel() for part in parts]))
    return [
        HeldOutSums(*(next(summed).view_as(part) for part in of_masking.parts()))
        for of_masking in sums
    ]


def mean_loss(sums: Sequence[HeldOutSums]) -> tuple[float, float] | None:
    """Mean over maskings of their mean losses, with its standard error, nats.

    The maskings share the sequences, so their errors are added sequence by sequence. `None` where a
    masking has no token.
    """
    if not all(of_masking.by_sequence[1].sum() > 0 for of_masking in sums):
        return None
    losses = [of_masking.by_sequence.sum(1) for of_masking in sums]
    error = torch.stack([of_masking.influence() for of_masking in sums]).mean(0).norm()
    return sum(float(loss / count) for loss, count in losses) / len(sums), float(error)


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
