"""The masker: a pure function from a batch, the progress and a key to a masked batch.

Dimensions: `B` sequences, `L` positions, `K` classes, `V` vocabulary entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tidemask.masking.batch import IGNORE_INDEX, Batch, MaskedBatch, check_batch
from tidemask.masking.bitmask import as_bool, where_mask
from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.class_statistic import ClassStatistic
from tidemask.masking.columns import known_columns, raw_classes_in
from tidemask.masking.learned_weighting import ByClassStatistic
from tidemask.masking.mixture import parts_of
from tidemask.masking.noise import DRAW_BITS, Purpose, StepKey, Streams
from tidemask.masking.part import AtStep, PartMasker, by_sequence
from tidemask.masking.policy import MaskingSettings
from tidemask.masking.position_weights import WeightOf
from tidemask.masking.selection import Ratio, Selection
from tidemask.masking.sequence_draws import part_of_sequences, ratio_of_sequences
from tidemask.masking.sequence_ratio import RatioMixture, Same
from tidemask.masking.token_weights import TokenWeights
from tidemask.masking.vocabulary import Vocabulary
from tidemask.masking.weight_table import EntryWeights
from tidemask.masking.weighting import ByClassLoss, ByFunction, Weighting
from tidemask.processes import keep_freed_memory
from tidemask.settings import MAX_STEPS, check_integer, check_share, shown
from tidemask.token_classes import UPOS_COLUMN, TokenColumn

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
        columns: what `Batch.columns` has; may be empty if the policy names none.
        max_steps: planned optimizer steps; the memory of the class loss follows from it.
        token_counts: how often each vocabulary id occurs in the corpus, [V]; for weights by
            frequency.
        entry_weights: weight of each vocabulary id, [V], NaN where there is none, by the file that
            the weighting `entries` names.
        weight_of: weight of each position of a batch, for the weighting `function`.

    Raises:
        ValueError: the policy needs classes, columns, counts or a function that are not given; an
            argument of another type or outside its range; a class name that is given twice.

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
        columns: Sequence[TokenColumn] = (),
        max_steps: int,
        token_counts: Int[Tensor, "V"] | None = None,
        entry_weights: EntryWeights | None = None,
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
        known = known_columns(class_names, columns)
        self.max_steps = check_integer("max_steps", max_steps, minimum=1, below=MAX_STEPS)
        weighted = partial(
            TokenWeights,
            class_names=class_names,
            columns=columns,
            vocab_size=vocabulary.size,
            max_steps=self.max_steps,
            token_counts=token_counts,
            entry_weights=entry_weights,
        )
        needs_function = any(isinstance(one, ByFunction) for one in settings.contents)

        def weights_of(content: Weighting) -> TokenWeights:
            # A function that no weighting needs is refused by the first.
            given = isinstance(content, ByFunction) or not needs_function
            return weighted(content, weight_of=weight_of if given else None)

        self._parts = []
        for part in settings.parts:
            weights = [(each.share, weights_of(each.content)) for each in parts_of(part.content)]
            self._parts.append(PartMasker(part, weights, vocabulary, known))
        self._classes = self._weighted_classes() or known.get(UPOS_COLUMN)
        self.class_names = () if self._classes is None else self._classes.class_names
        """Names of the classes of `MaskedBatch.token_class`, of which losses are kept."""
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
        return self._loss_of(self._entries())

    def new_class_statistic(self) -> ClassStatistic | None:
        """An empty state of the statistic that weights follow; `None` if they follow none."""
        followed = self.settings.learning
        if not isinstance(followed, ByClassStatistic):
            return None
        names = self._entries() if self.settings.learns_entries else self.class_names
        return ClassStatistic(names, followed, max_steps=self.max_steps)

    def new_learned(self) -> ClassLoss | ClassStatistic | None:
        """An empty state of whatever weights follow; `None` if the policy does not learn.

        It takes in the sums of each step, and its `value` is what a call takes as `class_loss`.
        """
        if self.settings.learning is None:
            return None
        return self.new_class_statistic() or self.new_vocabulary_loss() or self.new_class_loss()

    def _entries(self) -> list[str]:
        """Names of the vocabulary entries as classes."""
        return [str(token) for token in range(self.vocabulary.size)]

    def _loss_of(self, class_names: Sequence[str]) -> ClassLoss:
        followed = self.settings.learning
        by_loss = followed if isinstance(followed, ByClassLoss) else ByClassLoss()
        horizon = by_loss.horizon(self.max_steps)
        return ClassLoss(class_names, horizon_steps=horizon, estimator=by_loss.estimator)

    def class_weights(
        self, class_loss: Float[Tensor, "K"] | None, *, progress: float, step: int
    ) -> Float[Tensor, "K"] | None:
        """Weight of each named class at a step, float64 on the CPU; `None` if they have none.

        Of several parts, those of the first that weights these classes and has a share then.

        Args:
            class_loss: as for the call.
            progress: share of the run, in [0, 1].
            step: global step.
        """
        for _, part in self.parts_at(progress):
            for _, weights in part.weights_at(progress):
                if weights.classes is not None and weights.classes == self._classes:
                    return weights.of_classes(class_loss, progress=progress, step=step)
        return None

    def __call__(
        self,
        batch: Batch,
        *,
        progress: float,
        key: StepKey,
        class_loss: Float[Tensor, "classes"] | None = None,
        ratio: float | None = None,
        scores: Float[Tensor, "B L"] | None = None,
    ) -> MaskedBatch:
        """Select and corrupt.

        Args:
            batch: unmasked sequences; not changed.
            progress: completed share of the planned optimizer steps, in [0, 1].
            key: seed and step; with the batch's sample ids it determines every draw.
            class_loss: cumulative loss per class (named classes, or vocabulary entries where the
                policy weights those), nats, NaN where unseen; or the statistic that the policy
                follows in its place. Read only by a policy that learns, to which `None` means that
                nothing was learned yet.
            ratio: the masking ratio of the step, in [0, 1], where it follows measurements; `None`
                takes that of the schedule.
            scores: what the model says of each position of this batch, for the weighting
                `model_score`, to which `None` means uniform weights.

        Returns:
            Inputs, labels and what the loss needs, on the batch's device.

        Raises:
            ValueError: a tensor of the batch with another shape or dtype than `Batch` names; an id
                outside the vocabulary, on a CPU; a key that is no `StepKey`; progress or ratio
                outside [0, 1]; word starts or classes of another shape than the ids, or missing
                where the policy needs them; a column that the policy needs missing or of another
                type; a class or group outside the table; class losses for another number of
                classes; weights that are negative or not finite.
        """
        check_batch(batch, self.vocabulary.size)
        progress = check_share("progress", progress)
        ratio = self.ratio(progress) if ratio is None else check_share("ratio", ratio)
        if not isinstance(key, StepKey):
            raise ValueError(f"key={shown(key)}. Expected a StepKey(seed=..., step=...).")
        with torch.no_grad(), torch.autocast(batch.input_ids.device.type, enabled=False):
            return self._masked(batch, AtStep(progress, key, class_loss, scores), ratio)

    def needs_scores(self, *, progress: float, step: int) -> bool:
        """Whether some weighting that has a share at a step takes `scores`."""
        return any(
            weights.needs_scores(progress=progress, step=step)
            for _, part in self.parts_at(progress)
            for _, weights in part.weights_at(progress)
        )

    def parts_at(self, progress: float) -> list[tuple[float, PartMasker]]:
        """The parts that mask sequences at `progress` in [0, 1], with their shares of them."""
        shared = zip(self.settings.shares(progress), self._parts, strict=True)
        return [(share, part) for share, part in shared if share > 0.0]

    def streams(self, batch: Batch, key: StepKey) -> Streams:
        """The noise of a batch at a step, with all that the policy draws."""
        return Streams(key, batch.sample_ids, self._purposes)

    def _masked(self, batch: Batch, at: AtStep, mean_ratio: float) -> MaskedBatch:
        progress, key = at.progress, at.key
        settings, device = self.settings, batch.input_ids.device
        streams = self.streams(batch, key)
        ratio = ratio_of_sequences(settings.per_sequence, mean_ratio, streams, device)
        # Half the memory to go through. On a GPU, where ids are not checked, one outside the
        # vocabulary keeps its value, so that the model cannot take it for another.
        ids = batch.input_ids if batch.input_ids.is_cuda else batch.input_ids.to(torch.int32)
        shared = self.parts_at(progress)
        each = [part.draw(batch, ids, streams, ratio, at) for _, part in shared]
        if len(each) > 1:
            shares = [share for share, _ in shared]
            drawn = by_sequence(each, part_of_sequences(shares, streams, device))
        else:
            (drawn,) = each
        selection = drawn.selection
        corrupted = as_bool(selection.mask)
        all_predicted = drawn.predicted is selection.mask
        selected = corrupted if all_predicted else as_bool(drawn.predicted)
        weight = self._loss_weight(selected, selection, drawn.predicted_share, ratio)
        return MaskedBatch(
            input_ids=drawn.input_ids.to(batch.input_ids.dtype),
            labels=where_mask(drawn.predicted, ids, IGNORE_INDEX).to(batch.input_ids.dtype),
            selected=selected,
            corrupted=corrupted,
            maskable=batch.maskable,
            token_class=raw_classes_in(batch, self._classes),
            document_starts=batch.document_starts,
            attention_mask=batch.attention_mask,
            loss_weight=weight,
            normaliser="selected" if weight is None else "maskable",
            shortfall=None if selection.shortfall is None else selection.shortfall.sum(),
        )

    def _weighted_classes(self) -> TokenColumn | None:
        """The column whose classes weights follow; else the first whose classes have weights."""
        weights = [weights for part in self._parts for weights in part.weights]
        learning = [each for each in weights if each.learns]
        return next((e.classes for e in [*learning, *weights] if e.classes is not None), None)

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
    if any(part.unit == "span" for part in settings.parts):
        purposes.append(Purpose.SPAN_LENGTH)
    if settings.prediction != "all":
        purposes.append(Purpose.PREDICTION)
    if settings.sequences or isinstance(settings.per_sequence, RatioMixture):
        purposes.append(Purpose.PART)
    return tuple(purposes)
