"""What is kept of each step's losses: class losses, sums to log, and a check that all is finite.

The losses of a step are copied to the host while the device goes on. They are collected before the
next step is masked, which needs them.

Dimensions: `K` classes, `V` vocabulary.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.masker import Masker
from tidemask.training.async_copy import AsyncCopy
from tidemask.training.checkpoint_state import AccountingState, LearnedLosses
from tidemask.training.divergence import Divergence
from tidemask.training.logging_window import LoggingWindow
from tidemask.training.masked_step import MaskedStep
from tidemask.training.step_sums import StepSums

_NAMED_CLASSES = 3
"""Classes that are named; where more are not finite, all are."""


@dataclass
class _Step:
    """An optimizer step from when it is masked until its losses are collected."""

    masked: MaskedStep
    sums: StepSums


class StepAccounting:
    """Opens each step, adds up its losses, and collects them when it is over.

    Args:
        masker: the policy, which decides whose losses are kept; an attribute too.
        divergence: makes the error of what is not finite.
        device: where the losses are.

    Attributes:
        class_loss: of the token classes; `None` if the policy does not learn from them.
        vocabulary_loss: of the vocabulary's entries, likewise.
        window: what is to be logged.
    """

    def __init__(self, masker: Masker, divergence: Divergence, device: torch.device) -> None:
        self.class_loss = masker.new_class_loss()
        self.vocabulary_loss = masker.new_vocabulary_loss()
        self.window = LoggingWindow()
        self.masker = masker
        self._divergence = divergence
        self._device = device
        self._step: _Step | None = None
        self._started = 0.0
        self._norms: list[tuple[int, AsyncCopy]] = []

    @property
    def learned_losses(self) -> Float64[Tensor, "N"] | None:
        """What the masker's weights follow, [V] or [K], nats; `None` if it does not learn."""
        learned = self.vocabulary_loss or self.class_loss
        return learned.value() if learned else None

    @property
    def sums(self) -> StepSums:
        """The sums of the open step."""
        return self._open_step.sums

    def start_clock(self) -> None:
        """Begin to measure the time of the coming step."""
        self._started = time.perf_counter()

    def open_step(self, masked: MaskedStep) -> None:
        """Begin a step whose micro-batches were masked."""
        sums = StepSums(
            masked.counts,
            num_micro_batches=len(masked.inputs),
            num_classes=len(self.masker.class_names),
            vocab_size=self.masker.vocabulary.size if self.vocabulary_loss else 0,
            device=self._device,
        )
        self._step = _Step(masked, sums)

    def add_norm(self, norm: Tensor | float) -> None:
        """Keep the gradient norm of the open step until it is collected."""
        copy = AsyncCopy(torch.as_tensor(norm).detach())
        self._norms.append((self._open_step.masked.number, copy))

    def end_step(self) -> None:
        """Add the time that the open step took."""
        masked = self._open_step.masked
        self.window.add_seconds(
            time.perf_counter() - self._started,
            loading=masked.loading_seconds,
            masking=masked.masking_seconds,
        )

    def forget_step(self) -> None:
        """Leave no step open: training begins, or begins again."""
        self._step = None

    def collect(self, *, last_norm: bool = False) -> None:
        """Wait for the newest step's losses and add them; refuse what is not finite.

        Args:
            last_norm: whether to wait for the newest gradient norm too. On a GPU the losses are on
                the host once the forward pass is done, the norm after the backward pass.

        Raises:
            UserError: a loss or a gradient norm is not finite.
        """
        step, self._step = self._step, None
        if step is not None:
            self._add_totals(step)
        num_left = 0 if last_norm or self._device.type == "cpu" else 1
        while len(self._norms) > num_left:
            number, norm = self._norms.pop(0)
            value = float(norm.wait())
            if not math.isfinite(value):
                samples = self._divergence.samples_of(number)
                raise self._divergence.error("gradient norm", value, number, samples)

    def state(self) -> AccountingState:
        """What a checkpoint keeps of it."""
        self.collect(last_norm=True)
        return AccountingState(
            class_loss=_learned(self.class_loss),
            vocabulary_loss=_learned(self.vocabulary_loss),
            window=self.window,
        )

    def restore(self, state: AccountingState) -> None:
        """Continue from a saved state of the same policy.

        Raises:
            ValueError: it is of another policy.
        """
        self.window = state.window
        pairs = (
            (self.class_loss, state.class_loss),
            (self.vocabulary_loss, state.vocabulary_loss),
        )
        for losses, saved in pairs:
            if losses is not None:
                if saved is None:
                    raise ValueError("the checkpoint has no losses of the classes to weight")
                losses.load_state_dict(saved.plain())

    @property
    def _open_step(self) -> _Step:
        assert self._step is not None, "a step is opened before anything of it is added"
        return self._step

    def _add_totals(self, step: _Step) -> None:
        number, totals = step.masked.number, step.sums.totals()
        if not math.isfinite(totals.loss):
            finite = torch.isfinite(totals.class_loss).tolist()
            names = [n for n, ok in zip(self.masker.class_names, finite, strict=True) if not ok]
            where = f" ({', '.join(names)})" if 0 < len(names) <= _NAMED_CLASSES else ""
            samples = self._divergence.samples_not_finite(number, step.sums.losses)
            raise self._divergence.error(f"training loss{where}", totals.loss, number, samples)
        if self.class_loss is not None:
            self.class_loss.update(totals.class_loss, totals.class_count, step=number)
        if self.vocabulary_loss is not None:
            loss, count = totals.vocabulary_loss, totals.vocabulary_count
            self.vocabulary_loss.update(loss, count, step=number)
        self.window.add(totals, ratio=step.masked.ratio)


def _learned(losses: ClassLoss | None) -> LearnedLosses | None:
    return LearnedLosses(**losses.state_dict()) if losses is not None else None
