"""What token frequencies alone give on held-out text: the loss of a model that uses no context.

Dimension: `V` vocabulary entries.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor

_PRIOR = 0.5
"""Added to the count of every entry that can be masked."""


def unigram_cross_entropy(
    held_out: Int[Tensor, "V"], training: Int[Tensor, "V"], is_special: Bool[Tensor, "V"]
) -> float:
    """Mean loss of the training split's token frequencies on the held-out tokens, nats.

    A model that knows how frequent each token is, and no context, comes to this loss and not below;
    one that has learned nothing else stays there. The frequencies are `(n + 1/2) / (N + V/2)`, with
    `n` the count of the entry, `N` the sum of all and `V` the number of entries that are not
    special, so that an entry that training never showed has a finite loss (Krichevsky and Trofimov,
    "The performance of universal encoding", 1981).

    Args:
        held_out: how often each entry occurs among the maskable held-out tokens; at least one does.
        training: the same of the training split.
        is_special: which entries are never masked.

    Example:
        >>> import torch
        >>> counts, nothing = torch.tensor([0, 3, 1]), torch.tensor([0, 0, 0])
        >>> special = torch.tensor([True, False, False])
        >>> round(unigram_cross_entropy(counts, nothing, special), 4)  # ln 2
        0.6931
    """
    usual = ~is_special.numpy()
    seen = training.numpy()[usual] + _PRIOR
    counts = held_out.numpy()[usual]
    return float(-(counts * np.log(seen / seen.sum())).sum() / counts.sum())


def unigram_entropy(counts: Int[Tensor, "V"]) -> float:
    """Entropy of a text's own token frequencies, nats: no frequencies have a lower loss on it.

    A model does not know them: its line is `unigram_cross_entropy`, which is never below.
    """
    share = counts[counts > 0].numpy() / max(1, int(counts.sum()))
    return float(-(share * np.log(share)).sum())
