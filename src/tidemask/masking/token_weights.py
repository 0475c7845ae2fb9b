"""From a weighting, a batch and what was learned to the weights of the batch's units.

Dimensions: `B` sequences, `L` positions, `K` classes, `V` vocabulary entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Int32, Shaped, UInt8
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.inclusion import MODERATE_SPREAD
from tidemask.masking.selection import ByClass, ByPosition
from tidemask.masking.weighting import (
    NEUTRAL_WEIGHT,
    ByClassLoss,
    ByFrequency,
    ByFunction,
    ByTable,
    Uniform,
    Weighting,
    class_loss_weights,
    frequency_weights,
    mixed,
)
from tidemask.token_classes import NO_CLASS

WeightOf = Callable[[Batch], Tensor]
"""Weight of each position of a batch: floating point [B, L], finite and at least 0. A pure function
of each sequence, or masks depend on the batch a sequence travels in."""


@dataclass(frozen=True)
class Scaled:
    """Weights whose largest is 1: only their quotients matter.

    Attributes:
        table: in the least precision that suffices, on the CPU.
        some_zero: whether one of them is 0.
    """

    table: Float[Tensor, "M"]
    some_zero: bool

    @classmethod
    def of(cls, weights: Float[Tensor, "M"], *, precise: bool) -> Scaled:
        """Scale weights, float64.

        Args:
            weights: not negative, at least one above 0.
            precise: whether they stay float64 whatever their spread.
        """
        table = weights / weights.max()
        least = float(table.min())
        if least == 0.0:
            least = float(table[table > 0].min())
        if not precise and least * MODERATE_SPREAD >= 1.0:
            table = table.to(torch.float32)
        return cls(table, bool((weights == 0).any()))

    def at(self, index: Shaped[Tensor, "B L"]) -> Float[Tensor, "B L"]:
        """Weight of each position, on the device of the index.

        Args:
            index: entry of each position.
        """
        table = self.table.to(index.device, non_blocking=True)
        return table.index_select(0, index.flatten().to(torch.int64)).view(index.shape)


class TableOfWeights:
    """The weights of a policy as a table over classes or over the vocabulary.

    Args:
        content: a weighting that has a table: not uniform, and no function.
        class_names: names of the token classes.
        vocab_size: number of vocabulary entries.
        max_steps: planned optimizer steps.
        token_counts: how often each vocabulary entry occurs, for weights by frequency.

    Raises:
        ValueError: classes or counts that the weighting needs are missing, or the table names a
            class that there is not.
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
        self._kept: dict[bool, Scaled] = {}
        self._fixed = self._fixed_weights(class_names, vocab_size, token_counts)

    def _fixed_weights(
        self, class_names: Sequence[str], vocab_size: int, token_counts: Tensor | None
    ) -> Tensor | None:
        """Weights that training does not change, float64; the last of a class table is for none."""
        name = f"masking.content.weighting={self.content.weighting}"
        if not self.over_vocabulary and not class_names:
            raise ValueError(
                f"{name} needs token classes and there are none. "
                "Prepare the corpus with a tagger, or choose the weighting uniform."
            )
        if isinstance(self.content, ByTable):
            table = self.content.class_weights(class_names)
            return torch.tensor(table, dtype=torch.float64, device="cpu")
        if isinstance(self.content, ByFrequency):
            if token_counts is None:
                raise ValueError(f"{name} needs token_counts: how often each vocabulary id occurs.")
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
            return frequency_weights(
                token_counts, power=self.content.power, least_count=self.content.least_count
            )
        return None

    def at(self, class_loss: Tensor | None, *, progress: float, step: int) -> Float[Tensor, "M"]:
        """The weights at a moment, float64 on the CPU; one more than classes, for no class.

        Args:
            class_loss: cumulative loss per class, nats, NaN where unseen; `None` before any loss.
            progress: share of the run, in [0, 1].
            step: global step.

        Raises:
            ValueError: class losses for another number of classes.
        """
        if not isinstance(self.content, ByClassLoss):
            assert self._fixed is not None, "a weighting without losses has fixed weights"
            return mixed(self._fixed, 1.0, self.content.blend(progress))
        rest = 0 if self.over_vocabulary else 1
        if class_loss is None:
            return torch.full(
                (self.size + rest,), NEUTRAL_WEIGHT, dtype=torch.float64, device="cpu"
            )
        if class_loss.shape != (self.size,):
            raise ValueError(
                f"class_loss of shape {tuple(class_loss.shape)}. Expected one per class, "
                f"({self.size},)."
            )
        if bool(torch.isinf(class_loss).any()):
            worst = int(torch.isinf(class_loss).nonzero()[0])
            raise ValueError(
                f"class_loss[{worst}]={float(class_loss[worst])} at step {step}. Expected finite "
                "losses, or NaN for a class not yet seen."
            )
        blend = self.content.blended(progress, step, self.max_steps)
        weights = class_loss_weights(class_loss, sharpness=self.content.sharpness, blend=blend)
        return torch.nn.functional.pad(weights, (0, rest), value=NEUTRAL_WEIGHT)

    def scaled(
        self, class_loss: Tensor | None, *, progress: float, step: int, precise: bool
    ) -> Scaled:
        """The weights at a moment, scaled; kept where training does not change them."""
        if isinstance(self.content, ByClassLoss) or self.content.blend(progress) != 1.0:
            return Scaled.of(self.at(class_loss, progress=progress, step=step), precise=precise)
        if precise not in self._kept:
            weights = self.at(class_loss, progress=progress, step=step)
            self._kept[precise] = Scaled.of(weights, precise=precise)
        return self._kept[precise]


def new_table(
    content: Weighting,
    *,
    class_names: Sequence[str],
    vocab_size: int,
    max_steps: int,
    token_counts: Int[Tensor, "V"] | None,
) -> TableOfWeights | None:
    """The table of a weighting; `None` if it has none."""
    if isinstance(content, Uniform | ByFunction):
        return None
    return TableOfWeights(
        content,
        class_names=class_names,
        vocab_size=vocab_size,
        max_steps=max_steps,
        token_counts=token_counts,
    )


def checked_classes(batch: Batch, num_classes: int) -> UInt8[Tensor, "B L"]:
    """Class of each position with `num_classes` in the place of `NO_CLASS`, uint8.

    A class outside the table is an error on a CPU; on a GPU, where looking would wait for the
    device, it counts as no class.

    Raises:
        ValueError: no classes, or one outside the table.
    """
    classes = batch.token_class
    if classes is None:
        raise ValueError("token_class=None. Expected the class of each position: it is weighed.")
    if classes.numel() and not classes.is_cuda and int((classes + 1).max()) > num_classes:
        worst = int(classes[classes != NO_CLASS].max())
        raise ValueError(
            f"token_class={worst}. Expected a class in [0, {num_classes}), or {NO_CLASS} for none."
        )
    return classes.clamp(max=num_classes)


def weights_by_class(classes: Shaped[Tensor, "B L"], weights: Scaled) -> ByClass:
    """Weights of units that have a class each.

    Args:
        classes: in [0, K], `K` for none; of any integer type.
        weights: of each class, and last of none.
    """
    table = weights.table.to(classes.device, non_blocking=True)
    return ByClass(classes.to(torch.int64), table, weights.some_zero)


def weights_by_position(
    weights: Float[Tensor, "B L"],
    maskable: Bool[Tensor, "B L"],
    starts: Int32[Tensor, "B L"] | None,
    *,
    some_zero: bool,
) -> ByPosition:
    """Weights of units as the mean weight of their maskable tokens.

    Args:
        weights: of each position; float32 if they differ moderately, else float64.
        maskable: which positions count.
        starts: start of each position's unit; `None` if each is its own.
        some_zero: whether a weight may be 0.
    """
    if starts is None:
        return ByPosition(weights, some_zero)
    index = starts.to(torch.int64)
    zeros = torch.zeros_like(weights)
    total = zeros.scatter_add(1, index, weights * maskable)
    count = zeros.scatter_add(1, index, maskable.to(weights.dtype)).clamp_(min=1.0)
    return ByPosition((total / count).gather(1, index), some_zero)


def weights_by_function(batch: Batch, weight_of: WeightOf, *, blend: float) -> Float[Tensor, "B L"]:
    """What a user's function says, checked, blended in and scaled to a largest weight of 1.

    Raises:
        ValueError: another shape than the ids, or a weight of a maskable token that is negative or
            not finite.
    """
    weights = weight_of(batch)
    if weights.shape != batch.input_ids.shape:
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} from weight_of. "
            f"Expected {tuple(batch.input_ids.shape)}, the shape of input_ids."
        )
    wrong = batch.maskable & ~((weights >= 0) & torch.isfinite(weights))
    if bool(wrong.any()):
        row, position = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"weights[{row}, {position}]={float(weights[row, position]):g} from weight_of. "
            "Expected finite weights of at least 0."
        )
    weights = mixed(weights.to(torch.float64), 1.0, blend).masked_fill(~batch.maskable, 0.0)
    if not weights.numel():
        return weights
    largest = weights.amax(1, keepdim=True)  # a weight of 1e-320 is a weight
    return weights / torch.where(largest > 0, largest, 1.0)
