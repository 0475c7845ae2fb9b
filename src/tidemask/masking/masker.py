"""The masker: a pure function from a batch, the progress and a key to a masked batch.

Dimensions: `B` sequences, `L` positions, `K` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tidemask.batch import IGNORE_INDEX, Batch, MaskedBatch
from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.corruption import Corruption, Vocabulary, corrupt
from tidemask.masking.schedule import Constant, Schedule
from tidemask.masking.selection import select_by_class, select_uniform
from tidemask.masking.units import Unit, unit_starts
from tidemask.masking.weighting import (
    NEUTRAL_WEIGHT,
    ByClassLoss,
    Uniform,
    Weighting,
    blend_at,
    class_loss_weights,
)
from tidemask.noise import Purpose, StepKey, random_bits
from tidemask.settings import Settings
from tidemask.token_classes import NO_CLASS


@dataclass(frozen=True, kw_only=True)
class MaskingSettings(Settings):
    """How much is masked, what, and how."""

    ratio: Schedule = field(default_factory=Constant)
    """Share of maskable tokens to select, as a function of progress."""
    unit: Unit = "word"
    """What is selected whole or not at all."""
    budget: Literal["expected"] = "expected"
    """`expected`: in each sequence the expected number of selected tokens is ratio x maskable."""
    content: Weighting = field(default_factory=Uniform)
    """Which kinds of words are selected more."""
    corruption: Corruption = field(default_factory=Corruption)
    """What the input shows at the selected positions."""


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

    Raises:
        ValueError: the policy weighs classes and there are none.

    Example:
        >>> import torch
        >>> from tidemask import Batch, Masker, MaskingSettings, StepKey, Vocabulary
        >>> batch = Batch(
        ...     input_ids=torch.arange(10, 18).reshape(2, 4),
        ...     maskable=torch.ones(2, 4, dtype=torch.bool),
        ...     word_starts=torch.ones(2, 4, dtype=torch.bool),
        ...     token_class=torch.full((2, 4), 255, dtype=torch.uint8),
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
    ) -> None:
        self.settings = settings
        self.vocabulary = vocabulary
        self.class_names = tuple(class_names)
        self.max_steps = max_steps
        if isinstance(settings.content, ByClassLoss) and not self.class_names:
            raise ValueError(
                "masking.content.weighting=class_loss needs token classes and there are none. "
                "Prepare the corpus with a tagger, or choose the weighting uniform."
            )

    def ratio(self, progress: float) -> float:
        """The scheduled masking ratio at `progress` in [0, 1]."""
        return self.settings.ratio(progress)

    def new_class_loss(self) -> ClassLoss | None:
        """An empty class-loss state for this policy; `None` if there are no classes.

        A policy that does not weigh classes gets one too, so that every run reports how well each
        class is learned.
        """
        if not self.class_names:
            return None
        content = self.settings.content
        policy = content if isinstance(content, ByClassLoss) else ByClassLoss()
        return ClassLoss(
            self.class_names,
            horizon_steps=policy.horizon(self.max_steps),
            estimator=policy.estimator,
        )

    def class_weights(
        self, class_loss: Float[Tensor, "K"] | None, *, step: int
    ) -> Float[Tensor, "K"] | None:
        """Weight of each class at a step, float64 on the CPU; `None` where all tokens are alike.

        Args:
            class_loss: cumulative loss per class, nats, NaN where unseen; `None` before any loss.
            step: global step.
        """
        content = self.settings.content
        if not isinstance(content, ByClassLoss):
            return None
        if class_loss is not None and class_loss.shape != (len(self.class_names),):
            raise ValueError(
                f"class_loss of shape {tuple(class_loss.shape)}. Expected one per class, "
                f"({len(self.class_names)},)."
            )
        if class_loss is None:
            return torch.full((len(self.class_names),), NEUTRAL_WEIGHT, dtype=torch.float64)
        blend = blend_at(step, horizon=content.horizon(self.max_steps)) if content.blend_in else 1.0
        return class_loss_weights(class_loss, sharpness=content.sharpness, blend=blend)

    def __call__(
        self,
        batch: Batch,
        *,
        progress: float,
        key: StepKey,
        class_loss: Float[Tensor, "K"] | None = None,
    ) -> MaskedBatch:
        """Select and corrupt.

        Args:
            batch: unmasked sequences; not changed.
            progress: completed share of the planned optimizer steps, in [0, 1].
            key: seed and step; with the batch's sample ids it determines every draw.
            class_loss: cumulative loss per class, nats, NaN where unseen; read only by a policy
                that weighs classes, to which `None` means that nothing was learned yet.

        Returns:
            Inputs, labels and what the loss needs, on the batch's device.

        Raises:
            ValueError: progress outside [0, 1]; word starts of another shape than the ids, if whole
                words are selected; a token class outside the table, or class losses for another
                number of classes, if classes are weighed.
        """
        ratio = self.ratio(progress)
        length = batch.input_ids.shape[1]
        starts = unit_starts(batch, self.settings.unit)
        bits = _at(starts, random_bits(key, Purpose.SELECTION, batch.sample_ids, length))
        weights = self.class_weights(class_loss, step=key.step)
        if weights is None:
            selected = select_uniform(bits, batch.maskable, ratio)
        else:
            with_none = torch.cat([weights, torch.tensor([NEUTRAL_WEIGHT], dtype=torch.float64)])
            classes = _at(starts, self._class_index(batch))
            device_weights = with_none.to(bits.device)
            selected = select_by_class(bits, batch.maskable, classes, device_weights, ratio)
        return MaskedBatch(
            input_ids=corrupt(
                batch.input_ids,
                selected,
                kind_bits=random_bits(key, Purpose.CORRUPTION, batch.sample_ids, length),
                token_bits=random_bits(key, Purpose.RANDOM_TOKEN, batch.sample_ids, length),
                corruption=self.settings.corruption,
                vocabulary=self.vocabulary,
            ),
            labels=batch.input_ids.masked_fill(~selected, IGNORE_INDEX),
            selected=selected,
            maskable=batch.maskable,
            token_class=batch.token_class,
            attention_mask=batch.attention_mask,
        )

    def _class_index(self, batch: Batch) -> Int[Tensor, "B L"]:
        """Class of each position with `K` in the place of `NO_CLASS`, int64."""
        num_classes = len(self.class_names)
        classes = batch.token_class.to(torch.int64)
        unknown = (classes >= num_classes) & (classes != NO_CLASS)
        if bool(unknown.any()):
            worst = int(classes[unknown].max())
            raise ValueError(
                f"token_class={worst}. Expected a class in [0, {num_classes}), or {NO_CLASS} for "
                "none."
            )
        return classes.clamp(max=num_classes)


def _at(starts: Int[Tensor, "B L"] | None, values: Int[Tensor, "B L"]) -> Int[Tensor, "B L"]:
    return values if starts is None else values.gather(1, starts)
