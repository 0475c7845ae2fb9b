"""One part of a policy at work: its units, weights, selection and corruption on whole batches.

A policy without parts is its own only one. Where sequences draw their part, every part masks the
whole batch and each sequence is taken from its own: noise belongs to the sequence and not to the
batch, so the outcome is that of each part on its sequences alone, and nothing waits for the device.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int, Int32
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.bitmask import below, equal_to, where_mask
from tidemask.masking.columns import KnownColumns, named_column
from tidemask.masking.mixed_selection import select_mixture
from tidemask.masking.noise import Purpose, StepKey, Streams, positions_of
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.replacement import corrupt
from tidemask.masking.selection import (
    Ratio,
    Selection,
    Weights,
    select_expected,
    select_to_budget,
)
from tidemask.masking.shares import Share, shares_at
from tidemask.masking.spans import Grouped
from tidemask.masking.token_weights import TokenWeights
from tidemask.masking.units import starts_of_groups, starts_of_spans, starts_of_words
from tidemask.masking.vocabulary import Vocabulary
from tidemask.token_classes import TokenColumn


@dataclass(frozen=True)
class AtStep:
    """Where in the run a batch is masked, and what was learned until then."""

    progress: float
    key: StepKey
    class_loss: Tensor | None
    scores: Tensor | None = None


@dataclass(frozen=True)
class Drawn:
    """What a part draws on a batch.

    Attributes:
        selection: the drawn positions.
        predicted: mask of those of them that are to be predicted.
        predicted_share: share of the drawn positions that is predicted in expectation.
        input_ids: with the drawn positions corrupted.
    """

    selection: Selection
    predicted: Int32[Tensor, "B L"]
    predicted_share: Ratio
    input_ids: Int[Tensor, "B L"]


class PartMasker:
    """Masks batches by the settings of one part.

    Args:
        settings: a policy without parts.
        weights: of its content, with the share of each where that is a mixture.
        vocabulary: mask token and special ids.
        columns: what batches have.

    Raises:
        ValueError: the unit names no column of groups.
    """

    def __init__(
        self,
        settings: MaskingSettings,
        weights: Sequence[tuple[Share, TokenWeights]],
        vocabulary: Vocabulary,
        columns: KnownColumns,
    ) -> None:
        self.settings = settings
        self.weights = [each for _, each in weights]
        self._shares = [share for share, _ in weights]
        self._vocabulary = vocabulary
        self._groups: TokenColumn | None = None
        if isinstance(settings.unit, Grouped):
            group = settings.unit.group
            self._groups = named_column(columns, group, "group", setting="masking.unit.group")

    def weights_at(self, progress: float) -> list[tuple[float, TokenWeights]]:
        """The weights that have a share at `progress`, with it."""
        at = zip(shares_at(self._shares, progress), self.weights, strict=True)
        return [(share, weights) for share, weights in at if share > 0.0]

    def draw(
        self,
        batch: Batch,
        ids: Int[Tensor, "B L"],
        streams: Streams,
        ratio: Ratio,
        at: AtStep,
    ) -> Drawn:
        """Select and corrupt.

        Args:
            batch: unmasked sequences.
            ids: those of the batch, of the type that is to be worked with.
            streams: noise with the purposes of the policy.
            ratio: share of the maskable tokens to select.
            at: the step.
        """
        starts, weights = self.weighted_units(batch, streams, at)
        places = positions_of(batch.input_ids) if starts is None else starts
        selection = self._select(batch, streams, places, weights, ratio)
        predicted, share = self._predicted(selection.mask, streams, places, ratio, at.progress)
        corrupted_ids = corrupt(
            ids,
            selection.mask,
            streams=streams,
            shares=self.settings.corruption.at(at.progress),
            vocabulary=self._vocabulary,
        )
        return Drawn(selection, predicted, share, corrupted_ids)

    def weighted_units(
        self, batch: Batch, streams: Streams, at: AtStep
    ) -> tuple[Int32[Tensor, "B L"] | None, list[tuple[float, Weights | None]]]:
        """Start of each position's unit, `None` if it is its own; and weights with their shares."""
        shared = self.weights_at(at.progress)
        by_class = {weights.classes: weights for _, weights in shared if weights.classes}
        starts = None if by_class else self._units(batch, None, streams)[0]
        classes: dict[TokenColumn | None, Tensor | None] = {None: None}
        for column, weights in by_class.items():
            starts, of_units = self._units(batch, weights.classes_of(batch), streams)
            # Once in the type of an index, for all weights of this column.
            classes[column] = None if of_units is None else of_units.to(torch.int64)
        return starts, [
            (
                share,
                weights.of_units(
                    batch,
                    starts,
                    classes[weights.classes],
                    at.class_loss,
                    at.scores,
                    one_class_each=self.settings.unit in ("token", "word"),
                    progress=at.progress,
                    step=at.key.step,
                ),
            )
            for share, weights in shared
        ]

    def _units(
        self, batch: Batch, classes: Tensor | None, streams: Streams
    ) -> tuple[Int32[Tensor, "B L"] | None, Tensor | None]:
        """Start of each position's unit, `None` if it is its own, and the unit's class.

        Spans and groups have no class: there the classes stay those of the positions.
        """
        if self._groups is not None:
            return starts_of_groups(batch, self._groups), classes
        if self.settings.unit == "word":
            return starts_of_words(batch, classes)
        if self.settings.unit == "span":
            return starts_of_spans(batch, self.settings.spans, streams), classes
        return None, classes

    def _select(
        self,
        batch: Batch,
        streams: Streams,
        places: Tensor,
        weights: Sequence[tuple[float, Weights | None]],
        ratio: Ratio,
    ) -> Selection:
        draws = streams.draws(Purpose.SELECTION, places)
        with_inclusion = self.settings.loss_weight == "inverse_inclusion"
        if len(weights) > 1:
            return select_mixture(
                draws, batch.maskable, weights, ratio, with_inclusion=with_inclusion
            )
        (_, only), *_ = weights
        if self.settings.budget == "fixed":
            once = torch.zeros(1, dtype=torch.int32, device=draws.device)
            crossing = streams.draws(Purpose.CROSSING_UNIT, once)
            return select_to_budget(draws, batch.maskable, only, ratio, crossing)
        return select_expected(draws, batch.maskable, only, ratio, with_inclusion=with_inclusion)

    def _predicted(
        self, mask: Tensor, streams: Streams, places: Tensor, ratio: Ratio, progress: float
    ) -> tuple[Int32[Tensor, "B L"], Ratio]:
        """Mask of the positions to predict, and their share of the corrupted ones."""
        prediction = self.settings.prediction
        if prediction == "all":
            return mask, 1.0
        draws = streams.draws(Purpose.PREDICTION, places)
        wanted = float(prediction(progress))
        if isinstance(ratio, float):
            share = min(1.0, wanted / ratio) if ratio > 0.0 else 1.0
            return below(draws, share).bitwise_and_(mask), share
        shares = (wanted / ratio).clamp(max=1.0)
        return below(draws, shares).bitwise_and_(mask), shares


def by_sequence(drawn: Sequence[Drawn], part: Int32[Tensor, "B 1"]) -> Drawn:
    """Each sequence as its own part draws it.

    Args:
        drawn: of each part, on all sequences.
        part: number of each sequence's part.
    """
    chosen = drawn[0]
    for number, other in enumerate(drawn[1:], start=1):
        is_other = equal_to(part, torch.full_like(part, number))
        chosen = _merged(is_other, other, chosen)
    return chosen


def _merged(mask: Int32[Tensor, "B 1"], these: Drawn, others: Drawn) -> Drawn:
    """`these` in the sequences where the mask is -1, `others` in the rest."""
    one, other = these.selection, others.selection
    drawn = where_mask(mask, one.mask, other.mask)
    all_predicted = these.predicted is one.mask and others.predicted is other.mask
    ids = where_mask(mask.to(these.input_ids.dtype), these.input_ids, others.input_ids)
    return Drawn(
        selection=Selection(
            mask=drawn,
            inclusion=_where(mask, one.inclusion, other.inclusion),
            shortfall=_where(mask, one.shortfall, other.shortfall),
        ),
        predicted=drawn if all_predicted else where_mask(mask, these.predicted, others.predicted),
        predicted_share=these.predicted_share,
        input_ids=ids,
    )


def _where(mask: Tensor, one: float | Tensor | None, other: float | Tensor | None) -> Tensor | None:
    """`one` where the mask is -1, `other` elsewhere; what is absent in one of them is 0 there."""
    if one is None and other is None:
        return None
    these, others = (
        torch.as_tensor(0.0 if value is None else value, dtype=torch.float64, device=mask.device)
        for value in (one, other)
    )
    return torch.where(mask < 0, these, others)
