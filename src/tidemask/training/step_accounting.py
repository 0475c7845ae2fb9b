"""What is kept of each step's losses: class losses, sums to log, and a check that all is finite.

The losses of a step are copied to the host while the device goes on. They are collected before the
next step is masked if its weights follow them. Else, on a GPU, they are collected a step later: the
host is ahead of the device, and masks the next step without waiting for it.

Dimensions: `K` classes, `V` vocabulary.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from tidemask.masking.class_loss import ClassLoss
from tidemask.masking.masker import Masker
from tidemask.training.async_copy import AsyncCopy
from tidemask.training.checkpoint_state import (
    AccountingState,
    LearnedLosses,
    LearnedStatistic,
)
from tidemask.training.distributed import rank_and_size
from tidemask.training.divergence import Divergence
from tidemask.training.logging_window import LoggingWindow
from tidemask.training.masked_step import MaskedStep
from tidemask.training.step_sums import StepSums

_NAMED_CLASSES = 3
"""Classes that are named; where more are not finite, all are."""


class _Summed(NamedTuple):
    """An optimizer step whose losses are to be collected."""

    number: int
    ratio: float
    is_scored: bool
    sums: StepSums


class StepAccounting:
    """Opens each step, adds up its losses, and collects them when it is over.

    Args:
        masker: the policy, which decides whose losses are kept; an attribute too.
        divergence: makes the error of what is not finite.
        device: where the losses are.

    Attributes:
        class_loss: of the token classes, whether or not the policy learns from them; `None` if
            there are none.
        vocabulary_loss: of the vocabulary's entries, likewise.
        class_statistic: what weights follow in the place of losses; `None` if they do not.
        window: what is to be logged.
    """

    def __init__(self, masker: Masker, divergence: Divergence, device: torch.device) -> None:
        self.class_loss = masker.new_class_loss()
        self.vocabulary_loss = masker.new_vocabulary_loss()
        self.class_statistic = masker.new_class_statistic()
        self.window = LoggingWindow()
        self.masker = masker
        self._divergence = divergence
        self._device = device
        self._open: MaskedStep | None = None
        self._started = 0.0
        self._steps: list[_Summed] = []
        self._norms: list[tuple[int, AsyncCopy]] = []
        self._is_learning = masker.settings.learning is not None
        self._num_running = 0 if device.type == "cpu" else 1
        """How many of the newest steps may still run on the device when others are collected."""

    @property
    def learned_losses(self) -> Float64[Tensor, "N"] | None:
        """What the masker's weights follow, [V] or [K]; `None` if it does not learn."""
        learned = self.class_statistic or self.vocabulary_loss or self.class_loss
        return learned.value() if learned and self._is_learning else None

    @property
    def sums(self) -> StepSums:
        """The sums of the open step."""
        assert self._steps, "a step is opened before anything of it is added"
        return self._steps[-1].sums

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
            statistic=self.class_statistic,
            device=self._device,
        )
        self._open = masked
        self._steps.append(_Summed(masked.number, masked.ratio, masked.scoring_seconds > 0.0, sums))

    def add_norm(self, norm: Tensor | float) -> None:
        """Keep the gradient norm of the open step until it is collected."""
        copy = AsyncCopy(torch.as_tensor(norm).detach())
        self._norms.append((self._steps[-1].number, copy))

    def end_step(self) -> None:
        """Add the time that the open step took."""
        masked = self._open
        assert masked is not None, "a step is opened before it ends"
        self.window.add_seconds(
            time.perf_counter() - self._started,
            num_devices=rank_and_size()[1],
            loading=masked.loading_seconds,
            masking=masked.masking_seconds,
            scoring=masked.scoring_seconds,
        )

    def forget_step(self) -> None:
        """Leave no step open: training begins, or begins again."""
        self._open = None
        self._steps.clear()

    def collect(self, *, everything: bool = False) -> None:
        """Add the losses of the steps that are over; refuse what is not finite.

        Args:
            everything: whether to wait for the newest step, too. Without it, on a GPU, its losses
                are waited for only where the coming step is weighted by them, and its gradient norm
                is not: that is there after the backward pass.

        Raises:
            UserError: a loss or a gradient norm is not finite.
        """
        num_left = 0 if everything else self._num_running
        while len(self._steps) > (0 if self._is_learning else num_left):
            self._add_totals(self._steps.pop(0))
        while len(self._norms) > num_left:
            number, norm = self._norms.pop(0)
            value = float(norm.wait())
            if not math.isfinite(value):
                samples = self._divergence.samples_of(number)
                raise self._divergence.error("gradient norm", value, number, samples)

    def state(self) -> AccountingState:
        """What a checkpoint keeps of it."""
        self.collect(everything=True)
        return AccountingState(
            class_loss=_learned(self.class_loss),
            vocabulary_loss=_learned(self.vocabulary_loss),
            class_statistic=(
                LearnedStatistic(**self.class_statistic.state_dict())
                if self.class_statistic is not None
                else None
            ),
            window=self.window,
        )

    def restore(self, state: AccountingState) -> None:
        """Continue from a saved state of the same policy.

        Raises:
            ValueError: it is of another policy.
        """
        self.window = state.window
        if self.window.total_device_seconds < self.window.total_seconds:
            # A checkpoint of an earlier version did not count them: as if by these processes.
            num_devices = rank_and_size()[1]
            self.window.total_device_seconds = num_devices * self.window.total_seconds
        pairs = (
            (self.class_loss, state.class_loss),
            (self.vocabulary_loss, state.vocabulary_loss),
        )
        for losses, saved in pairs:
            if losses is not None:
                if saved is None:
                    raise ValueError("the checkpoint has no losses of the classes to weight")
                losses.load_state_dict(saved.plain())
        if self.class_statistic is not None:
            if state.class_statistic is None:
                raise ValueError("the checkpoint has no statistic of the classes to weight")
            self.class_statistic.load_state_dict(state.class_statistic.plain())

    def _add_totals(self, step: _Summed) -> None:
        number, totals = step.number, step.sums.totals()
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
        if self.class_statistic is not None:
            *sums, count = totals.statistic
            self.class_statistic.update(torch.stack(sums), count, step=number)
        self.window.add(totals, ratio=step.ratio, is_scored=step.is_scored)


def _learned(losses: ClassLoss | None) -> LearnedLosses | None:
    return LearnedLosses(**losses.state_dict()) if losses is not None else None
