"""The micro-batches of one optimizer step: fetched, moved to the device, masked there.

On a GPU this goes on beside the step before, on a stream of its own: its kernels are small, and
the one number that the host must know of each micro-batch, how many positions are selected, is
there before the device has finished what it is doing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from tidemask.masking.batch import Batch, MaskedBatch
from tidemask.masking.masker import Masker
from tidemask.masking.noise import StepKey
from tidemask.training.loss import model_inputs


@dataclass(frozen=True, kw_only=True)
class MaskedStep:
    """This rank's part of an optimizer step.

    Attributes:
        inputs: of the model and its loss, for each micro-batch; on the device.
        counts: sums of `step_sums.COUNTS` over them, on the host.
        loading_seconds: time to fetch them.
        masking_seconds: time to mask them and to count.
    """

    inputs: list[dict[str, Tensor]]
    counts: Float64[Tensor, "6"]
    loading_seconds: float
    masking_seconds: float


class StepMasking:
    """Fetches and masks the micro-batches of each step.

    Args:
        masker: the masking policy.
        device: where the model is trained.
    """

    def __init__(self, masker: Masker, device: torch.device) -> None:
        self.masker = masker
        self.device = device
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(
        self,
        batches: Iterator[Batch],
        num_batches: int,
        *,
        progress: float,
        key: StepKey,
        class_loss: Tensor | None,
    ) -> MaskedStep:
        """The coming step; arguments as for `Masker`."""
        started = time.perf_counter()
        fetched = [next(batches) for _ in range(num_batches)]
        loaded = time.perf_counter()
        with self._beside():
            masked = [
                self.masker(
                    batch.to(self.device), progress=progress, key=key, class_loss=class_loss
                )
                for batch in fetched
            ]
            counts = torch.stack([_counts(batch) for batch in masked]).cpu()
            inputs = [
                model_inputs(
                    batch, num_classes=len(self.masker.class_names), num_selected=int(row[1])
                )
                for batch, row in zip(masked, counts, strict=True)
            ]
        self._hand_over(inputs)
        return MaskedStep(
            inputs=inputs,
            counts=counts.sum(0),
            loading_seconds=loaded - started,
            masking_seconds=time.perf_counter() - loaded,
        )

    @contextmanager
    def _beside(self) -> Iterator[None]:
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            yield

    def _hand_over(self, inputs: list[dict[str, Tensor]]) -> None:
        """Let the training stream wait for ours, and our memory live as long as it is read."""
        if self._stream is None:
            return
        training = torch.cuda.current_stream(self.device)
        training.wait_stream(self._stream)
        for tensors in inputs:
            for tensor in tensors.values():
                tensor.record_stream(training)


def _counts(masked: MaskedBatch) -> Float64[Tensor, "6"]:
    """`step_sums.COUNTS` of a micro-batch, on its device."""
    zero = masked.input_ids.new_zeros((), dtype=torch.float64)
    mask = masked.attention_mask
    tokens = zero + masked.input_ids.numel() if mask is None else mask.sum()
    counts = [
        masked.num_normalising(),
        masked.num_selected(),
        masked.num_corrupted(),
        masked.num_maskable(),
        tokens,
        zero if masked.shortfall is None else masked.shortfall,
    ]
    return torch.stack([count.to(torch.float64) for count in counts])
