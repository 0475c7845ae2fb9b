"""The weights of a batch's units at a step: the one place that knows what a policy weights them by.

Dimensions: `B` sequences, `L` positions, `K` classes, `V` vocabulary entries. A table has `M`
weights: one per vocabulary entry, or one per class and a last one for tokens without class.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Int32, Shaped, UInt8
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.class_statistic import statistic_weights
from tidemask.masking.columns import classes_in, known_columns, named_column
from tidemask.masking.learned_weighting import ByClassStatistic, ByModelScore
from tidemask.masking.position_weights import (
    WeightOf,
    weights_by_column,
    weights_by_function,
    weights_by_position,
    weights_by_score,
)
from tidemask.masking.selection import Weights, looked_up
from tidemask.masking.weight_table import EntryWeights, check_losses, fixed_table, scaled_table
from tidemask.masking.weighting import (
    ByClassLoss,
    ByColumn,
    ByFunction,
    Uniform,
    Weighting,
    blend_at,
    class_column,
)
from tidemask.masking.weights import NEUTRAL_WEIGHT, blended, class_loss_weights
from tidemask.settings import shown
from tidemask.token_classes import UPOS_COLUMN, TokenColumn


class TokenWeights:
    """What a policy weights units by, at any step.

    Args:
        content: the weighting.
        class_names: names of the token classes that preparation recorded.
        columns: the other columns of the batches.
        vocab_size: number of vocabulary entries.
        max_steps: planned optimizer steps.
        token_counts: how often each vocabulary entry occurs, for weights by frequency.
        entry_weights: of the files that name weights of entries.
        weight_of: weight of each position of a batch, for the weighting `function`.

    Raises:
        ValueError: classes, a column, counts or a function that the weighting needs are missing, a
            function is given that it does not need, or its table names a class that does not exist.
    """

    def __init__(
        self,
        content: Weighting,
        *,
        class_names: Sequence[str] = (),
        columns: Sequence[TokenColumn] = (),
        vocab_size: int,
        max_steps: int,
        token_counts: Int[Tensor, "V"] | None = None,
        entry_weights: EntryWeights | None = None,
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
        self.learns = isinstance(content, ByClassLoss | ByClassStatistic)
        """Whether its weights follow what training learns of classes."""
        self.classes = _column_of_classes(content, class_names, columns)
        """The column whose classes have weights; `None` if classes have none."""
        self._weight_column: TokenColumn | None = None
        if isinstance(content, ByColumn):
            known = known_columns(class_names, columns)
            self._weight_column = named_column(
                known, content.column, "weight", setting="masking.content.column"
            )
        weighted = () if self.classes is None else self.classes.class_names
        self._size = len(weighted) or vocab_size
        self._fixed = fixed_table(content, weighted, vocab_size, token_counts, entry_weights or {})
        self._fixed_scaled: dict[bool, tuple[Tensor, bool]] = {}

    def table(self, class_loss: Tensor | None, *, progress: float, step: int) -> Float[Tensor, "M"]:
        """The table of a weighting that has one at a step, float64, on the CPU.

        Args:
            class_loss: cumulative loss per class, nats, or the statistic that the weighting
                follows; NaN where unseen; `None` before any loss.
            progress: share of the run, in [0, 1].
            step: global step.

        Raises:
            ValueError: class losses for another number of classes, or infinite ones.
        """
        content = self._content
        blend = blend_at(content, progress=progress, step=step, max_steps=self._max_steps)
        if self._fixed is not None:
            return blended(self._fixed, blend, neutral=1.0)
        if class_loss is None:
            class_loss = torch.full((self._size,), torch.nan, dtype=torch.float64, device="cpu")
        check_losses(class_loss, self._size, step)
        neutral = NEUTRAL_WEIGHT
        if isinstance(content, ByClassStatistic):
            neutral, weights = 1.0, statistic_weights(class_loss, content)
        else:
            assert isinstance(content, ByClassLoss), "others with a table have a fixed one"
            weights = class_loss_weights(class_loss, sharpness=content.sharpness)
        weights = blended(weights, blend, neutral=neutral).nan_to_num_(nan=neutral)
        without_class = int(self.classes is not None)
        return torch.nn.functional.pad(weights, (0, without_class), value=neutral)

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
        if self.classes is None:
            return None
        return self.table(class_loss, progress=progress, step=step)[:-1]

    def classes_of(self, batch: Batch) -> UInt8[Tensor, "B L"] | None:
        """Class of each position, checked; `None` if classes have no weights."""
        return None if self.classes is None else classes_in(batch, self.classes)

    def needs_scores(self, *, progress: float, step: int) -> bool:
        """Whether the weights of a step follow scores of its positions."""
        content = self._content
        return isinstance(content, ByModelScore) and content.is_scored(progress=progress, step=step)

    def of_units(
        self,
        batch: Batch,
        starts: Int32[Tensor, "B L"] | None,
        classes: Shaped[Tensor, "B L"] | None,
        class_loss: Tensor | None,
        scores: Tensor | None = None,
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
            scores: of each position, [B, L]; `None` where the step is not scored.
            one_class_each: whether all positions of a unit have the same class.
            progress: share of the run, in [0, 1].
            step: global step.
        """
        content = self._content
        if isinstance(content, Uniform):
            return None
        if isinstance(content, ByModelScore):
            if scores is None:
                return None
            each = weights_by_score(batch, scores, content, blend=content.blend(progress))
            return weights_by_position(each, batch.maskable, starts, some_zero=True)
        if self._weight_of is not None:
            each = weights_by_function(batch, self._weight_of, blend=content.blend(progress))
            return weights_by_position(each, batch.maskable, starts, some_zero=True)
        if self._weight_column is not None:
            each = weights_by_column(batch, self._weight_column, blend=content.blend(progress))
            return weights_by_position(each, batch.maskable, starts, some_zero=True)
        by_class = classes is not None and one_class_each
        table, some_zero = self.scaled(class_loss, progress=progress, step=step, precise=by_class)
        table = table.to(batch.input_ids.device, non_blocking=True)
        if classes is not None and by_class:
            return Weights(table, some_zero, classes.to(torch.int64))
        each = looked_up(table, batch.input_ids if classes is None else classes)
        return weights_by_position(each, batch.maskable, starts, some_zero=some_zero)


def _column_of_classes(
    content: Weighting, class_names: Sequence[str], columns: Sequence[TokenColumn]
) -> TokenColumn | None:
    """The column that a weighting of classes names.

    Raises:
        ValueError: there is none.
    """
    if (name := class_column(content)) is None:
        return None
    if name == UPOS_COLUMN and not class_names:
        raise ValueError(
            f"masking.content.weighting={content.weighting} needs token classes and there are "
            "none. Prepare the corpus with a tagger, name a column of classes that `tidemask "
            "annotate` adds (masking.content.classes=NAME), or choose the weighting uniform."
        )
    known = known_columns(class_names, columns)
    return named_column(known, name, "class", setting="masking.content.classes")
