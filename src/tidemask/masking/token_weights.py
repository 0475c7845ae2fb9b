"""The weights of a batch's units at a step: the one place that knows what a policy weights them by.

Dimensions: `B` sequences, `L` positions, `K` classes, `V` vocabulary entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int, Int32, Shaped, UInt8
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.selection import ByClass, ByPosition, Weights
from tidemask.masking.weight_table import WeightTable
from tidemask.masking.weighting import ByFunction, Uniform, Weighting, blend_at, blended
from tidemask.token_classes import NO_CLASS

WeightOf = Callable[[Batch], Tensor]
"""Weight of each position of a batch: floating point [B, L], finite and at least 0. A pure function
of each sequence, or a sequence's mask depends on the other sequences of its batch."""


class TokenWeights:
    """What a policy weights units by, at any step.

    Args:
        content: the weighting.
        class_names: names of the token classes.
        vocab_size: number of vocabulary entries.
        max_steps: planned optimizer steps.
        token_counts: how often each vocabulary entry occurs, for weights by frequency.
        weight_of: weight of each position of a batch, for the weighting `function`.

    Raises:
        ValueError: classes, counts or a function that the weighting needs are missing, or a
            function is given that it does not need.
    """

    def __init__(
        self,
        content: Weighting,
        *,
        class_names: Sequence[str] = (),
        vocab_size: int,
        max_steps: int,
        token_counts: Int[Tensor, "V"] | None = None,
        weight_of: WeightOf | None = None,
    ) -> None:
        if isinstance(content, ByFunction) != (weight_of is not None):
            raise ValueError(
                f"masking.content.weighting={content.weighting} and weight_of={weight_of}. "
                "Expected a function with the weighting `function`, from Python, and none with "
                "any other."
            )
        self._content = content
        self._weight_of = weight_of
        self._num_classes = len(class_names)
        self._max_steps = max_steps
        self._table: WeightTable | None = None
        if not isinstance(content, Uniform | ByFunction):
            self._table = WeightTable(
                content,
                class_names=class_names,
                vocab_size=vocab_size,
                max_steps=max_steps,
                token_counts=token_counts,
            )

    def of_classes(
        self, class_loss: Tensor | None, *, progress: float, step: int
    ) -> Float[Tensor, "K"] | None:
        """Weight of each named class, as `WeightTable.at`; `None` if classes have no weights."""
        if self._table is None or self._table.over_vocabulary:
            return None
        return self._table.at(class_loss, progress=progress, step=step)[:-1]

    def classes_of(self, batch: Batch) -> UInt8[Tensor, "B L"] | None:
        """Class of each position, checked; `None` if classes have no weights."""
        by_class = self._table is not None and not self._table.over_vocabulary
        return checked_classes(batch, self._num_classes) if by_class else None

    def of_units(
        self,
        batch: Batch,
        starts: Int32[Tensor, "B L"] | None,
        classes: Shaped[Tensor, "B L"] | None,
        class_loss: Tensor | None,
        *,
        one_class_each: bool,
        progress: float,
        step: int,
    ) -> Weights:
        """The weights of a batch's units at a step.

        Args:
            batch: with the ids.
            starts: start of each position's unit; `None` if each is its own.
            classes: of each position in [0, K], `K` for none; `None` if classes have no weights.
            class_loss: cumulative loss per class or entry; `None` before any loss.
            one_class_each: whether all positions of a unit have the same class.
            progress: share of the run, in [0, 1].
            step: global step.
        """
        if self._weight_of is not None:
            blend = blend_at(self._content, progress=progress, step=step, max_steps=self._max_steps)
            each = weights_by_function(batch, self._weight_of, blend=blend)
            return weights_by_position(each, batch.maskable, starts, some_zero=True)
        if self._table is None:
            return None
        by_class = classes is not None and one_class_each
        table = self._table.scaled(class_loss, progress=progress, step=step, precise=by_class)
        if classes is not None and by_class:
            weights = table.weights.to(classes.device, non_blocking=True)
            return ByClass(classes.to(torch.int64), weights, table.some_zero)
        each = table.at(batch.input_ids if classes is None else classes)
        return weights_by_position(each, batch.maskable, starts, some_zero=table.some_zero)


def checked_classes(batch: Batch, num_classes: int) -> UInt8[Tensor, "B L"]:
    """Class of each position with `num_classes` in the place of `NO_CLASS`, uint8.

    A class outside the table is an error on a CPU; on a GPU, where looking would wait for the
    device, it counts as no class.

    Raises:
        ValueError: no classes, or one outside the table.
    """
    classes = batch.token_class
    if classes is None:
        raise ValueError(
            "token_class=None. Expected the class of each position: classes have weights."
        )
    if classes.numel() and not classes.is_cuda and int((classes + 1).max()) > num_classes:
        worst = int(classes[classes != NO_CLASS].max())
        raise ValueError(
            f"token_class={worst}. Expected a class in [0, {num_classes}), or {NO_CLASS} for none."
        )
    return classes.clamp(max=num_classes)


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
    """What a user's function returns, checked, blended in and scaled to a largest weight of 1.

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
    weights = blended(weights.to(torch.float64), blend, neutral=1.0).masked_fill(
        ~batch.maskable, 0.0
    )
    if not weights.numel():
        return weights
    largest = weights.amax(1, keepdim=True)  # a weight of 1e-320 is a weight
    return weights / torch.where(largest > 0, largest, 1.0)
