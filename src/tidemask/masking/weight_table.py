"""Weights as a table over classes or over the vocabulary: from a weighting and what was learned.

Dimensions: `B` sequences, `L` positions, `V` vocabulary entries. A table has `M` weights: one per
vocabulary entry, or one per class and a last one for tokens without class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from tidemask.masking.inclusion import MODERATE_SPREAD
from tidemask.masking.weighting import (
    NEUTRAL_WEIGHT,
    ByClassLoss,
    ByFrequency,
    ByTable,
    blend_at,
    blended,
    class_loss_weights,
    frequency_weights,
)


@dataclass(frozen=True)
class ScaledTable:
    """Weights whose largest is 1: only their quotients matter.

    Attributes:
        weights: in the lowest precision that suffices, on the CPU.
        some_zero: whether one of them is 0.
    """

    weights: Float[Tensor, "M"]
    some_zero: bool

    @classmethod
    def of(cls, weights: Float[Tensor, "M"], *, precise: bool) -> ScaledTable:
        """Scale weights, float64.

        Args:
            weights: not negative, at least one above 0.
            precise: whether they stay float64 whatever their spread.
        """
        scaled = weights / weights.max()
        smallest = float(scaled[scaled > 0].min())
        if not precise and smallest * MODERATE_SPREAD >= 1.0:
            scaled = scaled.to(torch.float32)
        return cls(scaled, bool((weights == 0).any()))

    def at(self, index: Shaped[Tensor, "B L"]) -> Float[Tensor, "B L"]:
        """Weight of each position, whose entry `index` gives, on the device of the index."""
        weights = self.weights.to(index.device, non_blocking=True)
        return weights.index_select(0, index.flatten().to(torch.int64)).view(index.shape)


class WeightTable:
    """The weights of a policy that has one per class or vocabulary entry, at any step.

    Args:
        content: a weighting that has a table: not uniform, and no function.
        class_names: names of the token classes.
        vocab_size: number of vocabulary entries.
        max_steps: planned optimizer steps.
        token_counts: how often each vocabulary entry occurs, for weights by frequency.

    Raises:
        ValueError: classes or counts that the weighting needs are missing, or its table names a
            class that does not exist.
    """

    def __init__(
        self,
        content: ByClassLoss | ByTable | ByFrequency,
        *,
        class_names: Sequence[str],
        vocab_size: int,
        max_steps: int,
        token_counts: Int[Tensor, "V"] | None,
    ) -> None:
        self.content = content
        self.max_steps = max_steps
        self.over_vocabulary = isinstance(content, ByFrequency) or (
            isinstance(content, ByClassLoss) and content.classes == "vocabulary"
        )
        self.size = vocab_size if self.over_vocabulary else len(class_names)
        if not self.over_vocabulary and not class_names:
            raise ValueError(
                f"masking.content.weighting={content.weighting} needs token classes and there are "
                "none. Prepare the corpus with a tagger, or choose the weighting uniform."
            )
        self._fixed: Tensor | None = None
        if isinstance(content, ByTable):
            table = content.class_weights(class_names)
            self._fixed = torch.tensor(table, dtype=torch.float64, device="cpu")
        elif isinstance(content, ByFrequency):
            self._fixed = _weights_by_frequency(content, token_counts, vocab_size)
        self._fixed_scaled: dict[bool, ScaledTable] = {}

    def at(self, class_loss: Tensor | None, *, progress: float, step: int) -> Float[Tensor, "M"]:
        """The weights at a step, float64, on the CPU.

        Args:
            class_loss: cumulative loss per class, nats, NaN where unseen; `None` before any loss.
            progress: share of the run, in [0, 1].
            step: global step.

        Raises:
            ValueError: class losses for another number of classes, or infinite ones.
        """
        content = self.content
        blend = blend_at(content, progress=progress, step=step, max_steps=self.max_steps)
        if not isinstance(content, ByClassLoss):
            assert self._fixed is not None, "a weighting without losses has fixed weights"
            return blended(self._fixed, blend, neutral=1.0)
        if class_loss is None:
            weights = torch.full((self.size,), torch.nan, dtype=torch.float64, device="cpu")
        else:
            self._check_losses(class_loss, step)
            weights = class_loss_weights(class_loss, sharpness=content.sharpness)
        weights = blended(weights, blend, neutral=NEUTRAL_WEIGHT).nan_to_num_(nan=NEUTRAL_WEIGHT)
        without_class = 0 if self.over_vocabulary else 1
        return torch.nn.functional.pad(weights, (0, without_class), value=NEUTRAL_WEIGHT)

    def scaled(
        self, class_loss: Tensor | None, *, progress: float, step: int, precise: bool
    ) -> ScaledTable:
        """The weights at a step, scaled; kept where training does not change them."""
        if self._fixed is None or self.content.blend(progress) != 1.0:
            table = self.at(class_loss, progress=progress, step=step)
            return ScaledTable.of(table, precise=precise)
        if precise not in self._fixed_scaled:
            self._fixed_scaled[precise] = ScaledTable.of(self._fixed, precise=precise)
        return self._fixed_scaled[precise]

    def _check_losses(self, class_loss: Tensor, step: int) -> None:
        if class_loss.shape != (self.size,):
            raise ValueError(
                f"class_loss of shape {tuple(class_loss.shape)}. Expected one per class, "
                f"({self.size},)."
            )
        infinite = torch.isinf(class_loss)
        if bool(infinite.any()):
            first = int(infinite.nonzero()[0])
            raise ValueError(
                f"class_loss[{first}]={float(class_loss[first])} at step {step}. Expected finite "
                "losses, or NaN for a class not yet seen."
            )


def _weights_by_frequency(
    content: ByFrequency, token_counts: Tensor | None, vocab_size: int
) -> Float[Tensor, "V"]:
    if token_counts is None:
        raise ValueError(
            f"masking.content.weighting={content.weighting} needs token_counts: how often each "
            "vocabulary id occurs."
        )
    wrong = (~(token_counts >= 0)).nonzero()
    if len(wrong):
        raise ValueError(
            f"token_counts[{int(wrong[0, 0])}]={int(token_counts[tuple(wrong[0])])}. "
            "Expected counts of at least 0."
        )
    if token_counts.shape != (vocab_size,):
        raise ValueError(
            f"token_counts of shape {tuple(token_counts.shape)}. "
            f"Expected one per vocabulary id, ({vocab_size},)."
        )
    return frequency_weights(token_counts, power=content.power, least_count=content.least_count)
