"""The micro-batches of one optimizer step: fetched, moved to the device, masked there.

On a GPU this runs beside the step before, on a stream of its own: its kernels are small, and
the one number that the host must know of each micro-batch, how many positions are selected, is
there before the device has finished the step before.

Dimensions: `S` selected positions, `K` classes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from tidemask.batches.stream import errors_of_workers
from tidemask.masking.batch import HEAD_MULTIPLE, IGNORE_INDEX, Batch, MaskedBatch
from tidemask.masking.masker import Masker
from tidemask.masking.noise import StepKey
from tidemask.token_classes import NO_CLASS
from tidemask.training.position_scoring import PositionScoring
from tidemask.training.settings import TrainingSettings


class TokenCounts(NamedTuple):
    """What is counted of a masked micro-batch or of a whole step: float64 scalars."""

    normaliser: Float64[Tensor, ""]
    """The divisor of the loss."""
    selected: Float64[Tensor, ""]
    corrupted: Float64[Tensor, ""]
    maskable: Float64[Tensor, ""]
    tokens: Float64[Tensor, ""]
    """All that are not padding."""
    shortfall: Float64[Tensor, ""]
    """By how much the budget exceeds what could be selected."""


@dataclass(frozen=True, kw_only=True)
class MaskedStep:
    """This rank's part of an optimizer step.

    Attributes:
        number: of the step, 0-based.
        ratio: the scheduled masking ratio.
        inputs: of the model and its loss, for each micro-batch; on the device.
        counts: sums over them, on the host.
        loading_seconds: time to fetch them.
        masking_seconds: time to mask them and to count.
        scoring_seconds: time in which the model scored them before; 0 where it did not.
    """

    number: int
    ratio: float
    inputs: list[dict[str, Tensor]]
    counts: TokenCounts
    loading_seconds: float
    masking_seconds: float
    scoring_seconds: float = 0.0


class StepMasking:
    """Fetches and masks the micro-batches of each step.

    Args:
        masker: the masking policy.
        settings: the seed of the masks, and the planned steps.
        device: where the model is trained.
        scoring: of positions, for a policy that needs it.
    """

    def __init__(
        self,
        masker: Masker,
        settings: TrainingSettings,
        device: torch.device,
        *,
        scoring: PositionScoring | None = None,
    ) -> None:
        self.masker = masker
        self.scoring = scoring
        self.settings = settings
        self.device = device
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(
        self,
        batches: Iterator[Batch],
        num_batches: int,
        *,
        step: int,
        class_loss: Tensor | None,
        ratio: float | None = None,
    ) -> MaskedStep:
        """The coming step, 0-based; class losses and ratio are those that `Masker` takes."""
        progress, key = step / self.settings.num_steps, StepKey(self.settings.seed, step)
        started = time.perf_counter()
        with errors_of_workers():
            fetched = [next(batches) for _ in range(num_batches)]
        loaded = time.perf_counter()
        scored, scoring_seconds = self._scored(fetched, progress=progress, step=step)
        with torch.cuda.stream(self._stream):  # on a CPU it is `None`, which changes nothing
            masked = [
                self.masker(
                    batch.to(self.device),
                    progress=progress,
                    key=key,
                    class_loss=class_loss,
                    ratio=ratio,
                    scores=scores,
                )
                for batch, scores in scored
            ]
            # The only wait for the device: all counts of the step, in one copy.
            counts = torch.stack([torch.stack(count_tokens(batch)) for batch in masked]).cpu()
            num_selected = [int(TokenCounts(*row).selected) for row in counts]
            num_classes = len(self.masker.class_names)
            inputs = [
                model_inputs(batch, num_classes=num_classes, num_selected=number)
                for batch, number in zip(masked, num_selected, strict=True)
            ]
        self._synchronise_with_training(inputs)
        return MaskedStep(
            number=step,
            ratio=self.masker.ratio(progress) if ratio is None else ratio,
            inputs=inputs,
            counts=TokenCounts(*counts.sum(0)),
            loading_seconds=loaded - started,
            masking_seconds=time.perf_counter() - loaded - scoring_seconds,
            scoring_seconds=scoring_seconds,
        )

    def _scored(
        self, batches: Sequence[Batch], *, progress: float, step: int
    ) -> tuple[list[tuple[Batch, Tensor | None]], float]:
        """Each micro-batch with its scores, where the step needs them, and the seconds they took.

        They are of the weights after the step before, so this waits for it.
        """
        if self.scoring is None or not self.masker.needs_scores(progress=progress, step=step):
            return [(batch, None) for batch in batches], 0.0
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        started = time.perf_counter()
        on_device = [batch.to(self.device) for batch in batches]
        scored: list[tuple[Batch, Tensor | None]]
        scored = [(batch, self.scoring(batch)) for batch in on_device]
        return scored, time.perf_counter() - started

    def _synchronise_with_training(self, inputs: list[dict[str, Tensor]]) -> None:
        """Let the training stream wait for ours; keep our memory until that stream has read it."""
        if self._stream is None:
            return
        training = torch.cuda.current_stream(self.device)
        training.wait_stream(self._stream)
        for tensors in inputs:
            for tensor in tensors.values():
                tensor.record_stream(training)


def count_tokens(masked: MaskedBatch) -> TokenCounts:
    """Count the tokens of a micro-batch, on its device."""
    zero = masked.input_ids.new_zeros((), dtype=torch.float64)
    mask = masked.attention_mask
    return TokenCounts(
        normaliser=masked.num_normalising().double(),
        selected=masked.num_selected().double(),
        corrupted=masked.num_corrupted().double(),
        maskable=masked.num_maskable().double(),
        tokens=zero + masked.input_ids.numel() if mask is None else mask.sum().double(),
        shortfall=zero if masked.shortfall is None else masked.shortfall.double(),
    )


def model_inputs(masked: MaskedBatch, *, num_classes: int, num_selected: int) -> dict[str, Tensor]:
    """What a forward pass of `SelectedPositionsLM` and its loss need, as flat tensors.

    The positions are filled up to a multiple of `HEAD_MULTIPLE`, at least one, with position 0 and
    the target `IGNORE_INDEX`, whose loss is 0.

    Args:
        masked: on the training device.
        num_classes: `K`.
        num_selected: how many positions are selected; the host knows it, so nothing waits.

    Returns:
        `input_ids` [B, L]; `positions` and `targets` [S and filling]; `classes` [S], where class
        `num_classes` stands for none; `attention_mask` [B, L] and `loss_weight` [S] where there
        are any.
    """
    num_rows = max(1, -(-num_selected // HEAD_MULTIPLE)) * HEAD_MULTIPLE
    selected = masked.selected.flatten()
    positions = torch.nonzero_static(selected, size=num_rows, fill_value=0).squeeze(1)
    targets = masked.labels.flatten()[positions].long()
    targets[num_selected:] = IGNORE_INDEX
    at_selected = positions[:num_selected]
    if masked.token_class is None:
        classes = torch.full_like(at_selected, num_classes)
    else:
        classes = masked.token_class.flatten()[at_selected].long()
        classes = torch.where(classes == NO_CLASS, num_classes, classes).clamp(max=num_classes)
    inputs = {
        "input_ids": masked.input_ids,
        "positions": positions,
        "targets": targets,
        "classes": classes,
    }
    if masked.attention_mask is not None:
        inputs["attention_mask"] = masked.attention_mask
    if masked.loss_weight is not None:
        inputs["loss_weight"] = masked.loss_weight.flatten()[at_selected]
    return inputs


def weighted_sum(
    token_loss: Float[Tensor, "S"], loss_weight: Float[Tensor, "S"] | None = None
) -> Float[Tensor, ""]:
    """Sum of cross-entropies, each times its weight; 0 through the graph where there are none."""
    return token_loss.sum() if loss_weight is None else (token_loss * loss_weight).sum()
