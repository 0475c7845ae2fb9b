"""Weights as a table over classes or over the vocabulary: from a weighting and what was learned.

Dimensions: `K` classes, `V` vocabulary entries. A table has `M` weights: one per vocabulary entry,
or one per class and a last one for tokens without class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tidemask.masking.inclusion import MODERATE_SPREAD
from tidemask.masking.weighting import ByEntries, ByFrequency, ByTable, Weighting
from tidemask.masking.weights import frequency_weights
from tidemask.settings import shown

EntryWeights = Mapping[str, Float[Tensor, "V"]]
"""Weight of each vocabulary entry, NaN where there is none, by the file that a policy names."""


def fixed_table(
    content: Weighting,
    class_names: Sequence[str],
    vocab_size: int,
    token_counts: Int[Tensor, "V"] | None,
    entry_weights: EntryWeights,
) -> Float[Tensor, "M"] | None:
    """The weights that training does not change, float64; `None` if the weighting has no such.

    Raises:
        ValueError: a table names a class that does not exist; counts are missing, negative, or of
            another vocabulary; weights of entries likewise.
    """
    if isinstance(content, ByTable):
        return torch.tensor(content.class_weights(class_names), dtype=torch.float64, device="cpu")
    if isinstance(content, ByEntries):
        return _listed_table(content, vocab_size, entry_weights)
    if not isinstance(content, ByFrequency):
        return None
    if token_counts is None:
        raise ValueError(
            f"masking.content.weighting={content.weighting} needs token_counts: how often each "
            "vocabulary id occurs."
        )
    if not isinstance(token_counts, Tensor):
        raise ValueError(f"token_counts={shown(token_counts)}. Expected a tensor.")
    if token_counts.shape != (vocab_size,):
        raise ValueError(
            f"token_counts of shape {tuple(token_counts.shape)}. "
            f"Expected one per vocabulary id, ({vocab_size},)."
        )
    wrong = (~((token_counts >= 0) & torch.isfinite(token_counts))).nonzero()
    if len(wrong):
        place = int(wrong[0, 0])
        raise ValueError(
            f"token_counts[{place}]={token_counts[place].item()}. Expected counts of at least 0."
        )
    if token_counts.is_floating_point() or token_counts.dtype == torch.bool:
        raise ValueError(f"token_counts of {token_counts.dtype}. Expected integers.")
    return frequency_weights(token_counts, power=content.power, least_count=content.least_count)


def _listed_table(
    content: ByEntries, vocab_size: int, entry_weights: EntryWeights
) -> Float[Tensor, "V"]:
    """The weights of entries that a file lists, and that of the others."""
    listed = entry_weights.get(content.weights)
    if not isinstance(listed, Tensor) or listed.shape != (vocab_size,):
        seen = tuple(listed.shape) if isinstance(listed, Tensor) else shown(listed)
        raise ValueError(
            f"entry_weights[{content.weights!r}]={seen}. Expected a weight for each of "
            f"{vocab_size} vocabulary ids, NaN where the file has none."
        )
    weights = listed.to(torch.float64).nan_to_num(nan=content.others, posinf=math.inf)
    wrong = (~((weights >= 0) & torch.isfinite(weights))).nonzero()
    if len(wrong) or not bool((weights > 0).any()):
        place = int(wrong[0, 0]) if len(wrong) else 0
        raise ValueError(
            f"entry_weights[{content.weights!r}][{place}]={float(weights[place]):g}. Expected "
            "finite weights of at least 0, one of them above 0."
        )
    return weights


def check_losses(class_loss: Tensor, size: int, step: int) -> None:
    """Refuse losses for another number of classes than `size`, and infinite ones.

    Raises:
        ValueError: names the step and the first wrong loss.
    """
    if not isinstance(class_loss, Tensor):
        raise ValueError(f"class_loss={shown(class_loss)}. Expected a tensor.")
    if class_loss.shape != (size,):
        raise ValueError(
            f"class_loss of shape {tuple(class_loss.shape)}. Expected one per class, ({size},)."
        )
    infinite = torch.isinf(class_loss)
    if bool(infinite.any()):
        first = int(infinite.nonzero()[0])
        raise ValueError(
            f"class_loss[{first}]={float(class_loss[first])} at step {step}. Expected finite "
            "losses, or NaN for a class not yet seen."
        )


def scaled_table(weights: Float[Tensor, "M"], *, precise: bool) -> tuple[Float[Tensor, "M"], bool]:
    """Weights whose largest is 1, for only their quotients matter, and whether one of them is 0.

    Args:
        weights: float64, not negative, at least one above 0.
        precise: whether they stay float64 though float32 suffices for their spread.
    """
    scaled = weights / weights.max()
    smallest = float(scaled[scaled > 0].min())
    if not precise and smallest * MODERATE_SPREAD >= 1.0:
        scaled = scaled.to(torch.float32)
    return scaled, bool((weights == 0).any())
