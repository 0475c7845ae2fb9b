"""The masker: a pure function from a batch, the progress and a key to a masked batch.

Dimensions: `B` sequences, `L` positions, `K` classes, `V` vocabulary entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

from tidemask.masking.batch import IGNORE_INDEX, Batch, MaskedBatch, check_batch
from tidemask.masking.bitmask import as_bool, below, where_mask
from tidemask.masking.class_loss import ClassLoss, check_class_names
from tidemask.masking.noise import DRAW_BITS, Purpose, StepKey, Streams, positions_of
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.replacement import corrupt
from tidemask.masking.selection import (
    Ratio,
    Selection,
    Weights,
    select_expected,
    select_to_budget,
)
from tidemask.masking.sequence_draws import ratio_of_sequences
from tidemask.masking.sequence_ratio import Same
from tidemask.masking.token_weights import TokenWeights, WeightOf
from tidemask.masking.units import starts_of_spans, starts_of_words
from tidemask.masking.vocabulary import Vocabulary
from tidemask.masking.weighting import ByClassLoss
from tidemask.processes import keep_freed_memory
from tidemask.settings import check_integer, check_share, shown
from tidemask.token_classes import NO_CLASS

_REUSED_BLOCK_BYTES = 32 << 20
"""Temporaries below this size are reused from call to call: else masking 512 x 512 tokens in a
loader worker faults in 1,200 pages at every call and takes a sixth longer. glibc raises its
thresholds up to this size by itself, from 128 KB, when blocks are freed; here they are set at once,
for the whole process, and no longer adapt. Thresholds that the environment sets stay."""

_MIN_CHANCE = 2.0**-DRAW_BITS


class Masker:
    """Selects and corrupts positions, with a ratio and weights that change over training.

    It holds settings and no state: the same arguments give the same masks, whatever was masked
    before and on whatever device.

    Args:
        settings: the masking policy.
        vocabulary: mask token and special ids.
        class_names: names of the token classes, in the order of `Batch.token_class`; may be empty
            if the policy needs none.
        max_steps: planned optimizer steps; the memory of the class loss follows from it.
        token_counts: how often each vocabulary id occurs in the corpus, [V]; for weights by
            frequency.
        weight_of: weight of each position of a batch, for the weighting `function`.

    Raises:
        ValueError: the policy needs classes, counts or a function that are not given; an argument
            of another type or outside its range; a class name that is given twice.

    Example:
        >>> import torch
        >>> from tidemask import Batch, Masker, MaskingSettings, StepKey, Vocabulary
        >>> batch = Batch(
        ...     input_ids=torch.arange(10, 18).reshape(2, 4),
        ...     maskable=torch.ones(2, 4, dtype=torch.bool),
        ...     word_starts=torch.ones(2, 4, dtype=torch.bool),
        ...     sample_ids=torch.tensor([0, 1]),
        ... )
        >>> masker = Masker(MaskingSettings(), Vocabulary.of(100, 4, range(5)), max_steps=1000)
        >>> masked = masker(batch, progress=0.25, key=StepKey(seed=0, step=250))
        >>> bool((masked.labels[~masked.selected] == -100).all())
        True
    """

    def __init__(
        self,
        settings: MaskingSettings,
        vocabulary: Vocabulary,
        *,
        class_names: Sequence[str] = (),
        max_steps: int,
        token_counts: Int[Tensor, "V"] | None = None,
        weight_of: WeightOf | None = None,
    ) -> None:
        given: Any = settings
        if not isinstance(given, MaskingSettings):
            hint = " Give its `masking`." if hasattr(given, "masking") else ""
            raise ValueError(f"policy={shown(given)}. Expected MaskingSettings.{hint}")
        if not isinstance(vocabulary, Vocabulary):
            raise ValueError(f"vocabulary={shown(vocabulary)}. Expected a Vocabulary.")
        self.settings = settings
        self.vocabulary = vocabulary
        self.class_names = check_class_names(class_names)
        if len(self.class_names) > NO_CLASS:
            raise ValueError(
                f"{len(class_names)} class names. Expected at most {NO_CLASS}: a class is a uint8, "
                f"and {NO_CLASS} stands for none."
            )
        self.max_steps = check_integer("max_steps", max_steps, minimum=1)
        self._weights = TokenWeights(
            settings.content,
            class_names=self.class_names,
            vocab_size=vocabulary.size,
            max_steps=self.max_steps,
            token_counts=token_counts,
            weight_of=weight_of,
        )
        self._purposes = _purposes(settings)
        keep_freed_memory(_REUSED_BLOCK_BYTES)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        keep_freed_memory(_REUSED_BLOCK_BYTES)

    def ratio(self, progress: float) -> float:
        """The scheduled masking ratio at `progress` in [0, 1]."""
        return float(self.settings.ratio(progress))

    def new_class_loss(self) -> ClassLoss | None:
        """An empty state of class losses, over the named classes; `None` if there are none.

        A policy that does not learn from it gets one too, so that every run reports how well each
        class is learned.
        """
        return self._loss_of(self.class_names) if self.class_names else None

    def new_vocabulary_loss(self) -> ClassLoss | None:
        """An empty state over the vocabulary; `None` if the policy does not learn from one."""
        if not self.settings.uses_vocabulary_loss:
            return None
        return self._loss_of([str(token) for token in range(self.vocabulary.size)])

    def _loss_of(self, class_names: Sequence[str]) -> ClassLoss:
        content = self.settings.content
        by_loss = content if isinstance(content, ByClassLoss) else ByClassLoss()
        horizon = by_loss.horizon(self.max_steps)
        return ClassLoss(class_names, horizon_steps=horizon, estimator=by_loss.estimator)

    def class_weights(
        self, class_loss: Float[Tensor, "K"] | None, *, progress: float, step: int
    ) -> Float[Tensor, "K"] | None:
        """Weight of each named class at a step, float64 on the CPU; `None` if they have none.

        Args:
            class_loss: cumulative loss per class, nats, NaN where unseen; `None` before any loss.
            progress: share of the run, in [0, 1].
            step: global step.
        """
        return self._weights.of_classes(class_loss, progress=progress, step=step)

    def __call__(
        self,
        batch: Batch,
        *,
        progress: float,
        key: StepKey,
        class_loss: Float[Tensor, "classes"] | None = None,
    ) -> MaskedBatch:
        """Select and corrupt.

        Args:
            batch: unmasked sequences; not changed.
            progress: completed share of the planned optimizer steps, in [0, 1].
            key: seed and step; with the batch's sample ids it determines every draw.
            class_loss: cumulative loss per class (named classes, or vocabulary entries where the
                policy weights those), nats, NaN where unseen; read only by a policy that learns
                from losses, to which `None` means that nothing was learned yet.

        Returns:
            Inputs, labels and what the loss needs, on the batch's device.

        Raises:
            ValueError: a tensor of the batch with another shape or dtype than `Batch` names; an id
                outside the vocabulary, on a CPU; a key that is no `StepKey`; progress outside
                [0, 1]; word starts or classes of another shape than the ids, or missing where the
                policy needs them; a token class outside the table; class losses for another number
                of classes; weights that are negative or not finite.
        """
        check_batch(batch, self.vocabulary.size)
        progress = check_share("progress", progress)
        if not isinstance(key, StepKey):
            raise ValueError(f"key={shown(key)}. Expected a StepKey(seed=..., step=...).")
        with torch.no_grad(), torch.autocast(batch.input_ids.device.type, enabled=False):
            return self._masked(batch, progress=progress, key=key, class_loss=class_loss)

    def _masked(
        self, batch: Batch, *, progress: float, key: StepKey, class_loss: Tensor | None
    ) -> MaskedBatch:
        settings = self.settings
        device = batch.input_ids.device
        streams = Streams(key, batch.sample_ids, self._purposes)
        ratio = ratio_of_sequences(settings.per_sequence, self.ratio(progress), streams, device)
        starts, classes = self._units(batch, self._weights.classes_of(batch), streams)
        weights = self._weights.of_units(
            batch,
            starts,
            classes,
            class_loss,
            one_class_each=settings.unit != "span",
            progress=progress,
            step=key.step,
        )
        places = positions_of(batch.input_ids) if starts is None else starts
        selection = self._select(batch, streams, places, weights, ratio)
        predicted, share = self._predicted(selection.mask, streams, places, ratio, progress)
        corrupted = as_bool(selection.mask)
        selected = corrupted if predicted is selection.mask else as_bool(predicted)
        weight = self._loss_weight(selected, selection, share, ratio)
        # Half the memory to go through. On a GPU, where ids are not checked, one outside the
        # vocabulary keeps its value, so that the model cannot take it for another.
        ids = batch.input_ids if batch.input_ids.is_cuda else batch.input_ids.to(torch.int32)
        corrupted_ids = corrupt(
            ids,
            selection.mask,
            streams=streams,
            shares=settings.corruption.at(progress),
            vocabulary=self.vocabulary,
        )
        return MaskedBatch(
            input_ids=corrupted_ids.to(batch.input_ids.dtype),
            labels=where_mask(predicted, ids, IGNORE_INDEX).to(batch.input_ids.dtype),
            selected=selected,
            corrupted=corrupted,
            maskable=batch.maskable,
            token_class=batch.token_class,
            document_starts=batch.document_starts,
            attention_mask=batch.attention_mask,
            loss_weight=weight,
            normaliser="selected" if weight is None else "maskable",
            shortfall=selection.shortfall,
        )

    def _units(
        self, batch: Batch, classes: Tensor | None, streams: Streams
    ) -> tuple[Int32[Tensor, "B L"] | None, Tensor | None]:
        """Start of each position's unit, `None` if it is its own, and the unit's class.

        A span has no class: there the classes stay those of the positions.
        """
        if self.settings.unit == "word":
            return starts_of_words(batch, classes)
        if self.settings.unit == "span":
            return starts_of_spans(batch, self.settings.spans, streams), classes
        return None, classes

    def _select(
        self, batch: Batch, streams: Streams, places: Tensor, weights: Weights | None, ratio: Ratio
    ) -> Selection:
        draws = streams.draws(Purpose.SELECTION, places)
        if self.settings.budget == "fixed":
            once = torch.zeros(1, dtype=torch.int32, device=draws.device)
            crossing = streams.draws(Purpose.CROSSING_UNIT, once)
            return select_to_budget(draws, batch.maskable, weights, ratio, crossing)
        with_inclusion = self.settings.loss_weight == "inverse_inclusion"
        return select_expected(draws, batch.maskable, weights, ratio, with_inclusion=with_inclusion)

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

    def _loss_weight(
        self, selected: Tensor, selection: Selection, share: Ratio, ratio: Ratio
    ) -> Float[Tensor, "B L"] | None:
        kind = self.settings.loss_weight
        if kind == "one":
            return None
        chance = ratio if kind == "inverse_ratio" else selection.inclusion
        assert chance is not None, "inclusion was asked for"
        chance = chance * share
        if isinstance(chance, float):
            return selected.to(torch.float32) * (1.0 / max(chance, _MIN_CHANCE))
        inverse = 1.0 / chance.clamp(min=_MIN_CHANCE)
        return torch.where(selected, inverse.to(torch.float32), 0.0)


def _purposes(settings: MaskingSettings) -> tuple[Purpose, ...]:
    """What a policy draws."""
    purposes = [Purpose.SELECTION, Purpose.CORRUPTION, Purpose.RANDOM_TOKEN]
    if settings.budget == "fixed":
        purposes.append(Purpose.CROSSING_UNIT)
    if not isinstance(settings.per_sequence, Same):
        purposes.append(Purpose.SEQUENCE_RATIO)
    if settings.unit == "span":
        purposes.append(Purpose.SPAN_LENGTH)
    if settings.prediction != "all":
        purposes.append(Purpose.PREDICTION)
    return tuple(purposes)
