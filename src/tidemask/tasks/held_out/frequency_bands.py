"""Bands of vocabulary entries by how often they occur in the training text.

Frequent entries are learned early and rare ones late or never, whatever their part of speech: a
recipe may gain on the former and lose on the latter. The bands follow from the corpus by a fixed
rule, so that runs on the same corpus are measured on the same bands.

Dimension: `V` vocabulary entries.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from tidemask.run_record import FREQUENCY_BANDS


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
