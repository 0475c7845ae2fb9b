"""The weights of a batch's units at a step: the one place that knows what a policy weights them by.

Dimensions: `B` sequences, `L` positions, `K` classes, `V` vocabulary entries. A table has `M`
weights: one per vocabulary entry, or one per class and a last one for tokens without class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int, Int32, Shaped, UInt8
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.selection import Weights, looked_up
from tidemask.masking.weight_table import check_losses, fixed_table, scaled_table
from tidemask.masking.weighting import (
    ByClassLoss,
    ByFunction,
    ByTable,
    Uniform,
    Weighting,
    blend_at,
)
from tidemask.masking.weights import NEUTRAL_WEIGHT, blended, class_loss_weights
from tidemask.settings import shown
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
        ValueError: classes, counts or a function that the weighting needs are missing, a function
            is given that it does not need, or its table names a class that does not exist.
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
        if weight_of is not None and not callable(weight_of):
            raise ValueError(f"weight_of={shown(weight_of)}. Expected a function of a batch.")
        self._content = content
        self._weight_of = weight_of
        self._max_steps = max_steps
        self._by_class = isinstance(content, ByTable) or (
            isinstance(content, ByClassLoss) and content.classes == "upos"
        )
        if self._by_class and not class_names:
            raise ValueError(
                f"masking.content.weighting={content.weighting} needs token classes and there are "
                "none. Prepare the corpus with a tagger, or choose the weighting uniform."
            )
        self._size = len(class_names) if self._by_class else vocab_size
        self._fixed = fixed_table(content, class_names, vocab_size, token_counts)
        self._fixed_scaled: dict[bool, tuple[Tensor, bool]] = {}

    def table(self, class_loss: Tensor | None, *, progress: float, step: int) -> Float[Tensor, "M"]:
        """The table of a weighting that has one at a step, float64, on the CPU.

        Args:
            class_loss: cumulative loss per class, nats, NaN where unseen; `None` before any loss.
            progress: share of the run, in [0, 1].
            step: global step.

        Raises:
            ValueError: class losses for another number of classes, or infinite ones.
        """
        content = self._content
        blend = blend_at(content, progress=progress, step=step, max_steps=self._max_steps)
        if self._fixed is not None:
            return blended(self._fixed, blend, neutral=1.0)
        assert isinstance(content, ByClassLoss), "any other weighting with a table has a fixed one"
        if class_loss is None:
            class_loss = torch.full((self._size,), torch.nan, dtype=torch.float64, device="cpu")
        check_losses(class_loss, self._size, step)
        weights = class_loss_weights(class_loss, sharpness=content.sharpness)
        weights = blended(weights, blend, neutral=NEUTRAL_WEIGHT).nan_to_num_(nan=NEUTRAL_WEIGHT)
        without_class = int(self._by_class)
        return torch.nn.functional.pad(weights, (0, without_class), value=NEUTRAL_WEIGHT)

    def scaled(
        self, class_loss: Tensor | None, *, progress: float, step: int, precise: bool
    ) -> tuple[Float[Tensor, "M"], bool]:
        """`scaled_table` of the table at a step; kept where training does not change it."""
        content, max_steps = self._content, self._max_steps
        blend = blend_at(content, progress=progress, step=step, max_steps=max_steps)
        if self._fixed is None or blend != 1.0:
            table = self.table(class_loss, progress=progress, step=step)
            return scaled_table(table, precise=precise)
        if precise not in self._fixed_scaled:
            self._fixed_scaled[precise] = scaled_table(self._fixed, precise=precise)
        return self._fixed_scaled[precise]

    def of_classes(
        self, class_loss: Tensor | None, *, progress: float, step: int
    ) -> Float[Tensor, "K"] | None:
        """Weight of each named class, as in `table`; `None` if classes have no weights."""
        if not self._by_class:
            return None
        return self.table(class_loss, progress=progress, step=step)[:-1]

    def classes_of(self, batch: Batch) -> UInt8[Tensor, "B L"] | None:
        """Class of each position, checked; `None` if classes have no weights."""
        return checked_classes(batch, self._size) if self._by_class else None

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
    ) -> Weights | None:
        """The weights of a batch's units at a step; `None` if all are equal.

        Args:
            batch: with the ids.
            starts: start of each position's unit; `None` if each is its own.
            classes: of each position in [0, K], `K` for none; `None` if classes have no weights.
            class_loss: cumulative loss per class or entry; `None` before any loss.
            one_class_each: whether all positions of a unit have the same class.
            progress: share of the run, in [0, 1].
            step: global step.
        """
        content = self._content
        if isinstance(content, Uniform):
            return None
        if self._weight_of is not None:
            each = weights_by_function(batch, self._weight_of, blend=content.blend(progress))
            return weights_by_position(each, batch.maskable, starts, some_zero=True)
        by_class = classes is not None and one_class_each
        table, some_zero = self.scaled(class_loss, progress=progress, step=step, precise=by_class)
        table = table.to(batch.input_ids.device, non_blocking=True)
        if classes is not None and by_class:
            return Weights(table, some_zero, classes.to(torch.int64))
        each = looked_up(table, batch.input_ids if classes is None else classes)
        return weights_by_position(each, batch.maskable, starts, some_zero=some_zero)


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
            f"token_class={worst}. Expected a class from 0 to {num_classes - 1}, or {NO_CLASS} for "
            "none."
        )
    return classes.clamp(max=num_classes)


def weights_by_position(
    weights: Float[Tensor, "B L"],
    maskable: Bool[Tensor, "B L"],
    starts: Int32[Tensor, "B L"] | None,
    *,
    some_zero: bool,
) -> Weights:
    """Weights of units as the mean weight of their maskable tokens.

    Args:
        weights: of each position; float32 if they differ moderately, else float64.
        maskable: which positions count.
        starts: start of each position's unit; `None` if each is its own.
        some_zero: whether a weight may be 0.
    """
    if starts is None:
        return Weights(weights, some_zero)
    index = starts.to(torch.int64)
    zeros = torch.zeros_like(weights)
    total = zeros.scatter_add(1, index, weights * maskable)
    count = zeros.scatter_add(1, index, maskable.to(weights.dtype)).clamp_(min=1.0)
    return Weights((total / count).gather(1, index), some_zero)


def weights_by_function(batch: Batch, weight_of: WeightOf, *, blend: float) -> Float[Tensor, "B L"]:
    """What a user's function returns, checked, blended in and scaled to a largest weight of 1.

    Raises:
        ValueError: another shape than the ids, or a weight of a maskable token that is negative or
            not finite.
    """
    weights = weight_of(batch)
    if not isinstance(weights, Tensor):
        raise ValueError(f"weights={shown(weights)} from weight_of. Expected a tensor.")
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
