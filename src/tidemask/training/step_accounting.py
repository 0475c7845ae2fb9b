"""What training learns from its losses: class losses, sums to log, and that all is finite.

The losses of a step are on their way to the host while the device goes on. They are taken in before
the next step is masked, which needs them.

Dimensions: `S` selected positions, `K` classes, `V` vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tidemask.masking.masker import Masker
from tidemask.training.async_copy import AsyncCopy
from tidemask.training.divergence import Divergence
from tidemask.training.logging_window import LoggingWindow
from tidemask.training.masked_step import MaskedStep
from tidemask.training.step_sums import StepSums

_NAMED_CLASSES = 3
"""Classes that are named; where more are not finite, all are."""


@dataclass
class _Step:
    """An optimizer step under way, and after it until its sums are taken in."""

    number: int
    ratio: float
    masked: MaskedStep
    sums: StepSums
    losses: list[Tensor] = field(default_factory=list)
    is_settled: bool = False


class StepAccounting:
    """Opens a step, adds its losses, and settles it when it is over.

    Args:
        masker: the policy, which says whose losses are to be kept.
        divergence: words what is not finite.
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
        self._masker = masker
        self._divergence = divergence
        self._device = device
        self._step: _Step | None = None
        self._norms: list[tuple[int, AsyncCopy]] = []

    def losses(self) -> Tensor | None:
        """What the masker weighs by, float64 [V] or [K]; `None` if it does not learn."""
        learned = self.vocabulary_loss or self.class_loss
        return learned.value() if learned else None

    def open(self, number: int, masked: MaskedStep, *, ratio: float) -> float:
        """Begin a step that was masked; returns its normaliser on this rank."""
        sums = StepSums(
            len(self._masker.class_names),
            self._masker.vocabulary.size if self.vocabulary_loss else 0,
            device=self._device,
        )
        sums.add_counts(masked.counts)
        self._step = _Step(number, ratio, masked, sums)
        return sums.normaliser

    def forget_open_step(self) -> None:
        """Nothing is under way: training begins, or begins again."""
        self._step = None

    def add_losses(
        self,
        loss: Float[Tensor, ""],
        token_loss: Float[Tensor, "S"],
        classes: Int[Tensor, "S"],
        targets: Int[Tensor, "S"],
    ) -> None:
        """Take in a micro-batch, as `StepSums.add_losses`; after the last, the sums are sent."""
        step = self._open_step()
        step.losses.append(loss)
        step.sums.add_losses(loss, token_loss, classes, targets)
        if len(step.losses) == len(step.masked.inputs):
            step.sums.send()

    def add_norm(self, norm: Tensor | float) -> None:
        """Keep the gradient norm of the open step, to be looked at when it is here."""
        number = self._open_step().number
        self._norms.append((number, AsyncCopy(torch.as_tensor(norm).detach())))

    def add_seconds(self, seconds: float) -> None:
        """Count the time that the open step took."""
        masked = self._open_step().masked
        self.window.add_seconds(
            seconds, loading=masked.loading_seconds, masking=masked.masking_seconds
        )

    def settle(self, *, wholly: bool = False) -> None:
        """Take in what the last step's losses were, and refuse what is not finite.

        On a GPU the losses are here once the forward pass is done; the gradient norm of the last
        step may not be, and is left to the next call unless all is to be settled.

        Raises:
            UserError: a loss or a gradient norm is not finite.
        """
        step = self._step
        if step is not None and not step.is_settled:
            step.is_settled = True
            self._take_in(step)
        left = 0 if wholly or self._device.type == "cpu" else 1
        while len(self._norms) > left:
            number, norm = self._norms.pop(0)
            value = float(norm.wait())
            if not math.isfinite(value):
                samples = self._divergence.samples_of(number)
                raise self._divergence.error("gradient norm", value, number, samples)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        self.settle(wholly=True)
        return {
            "class_loss": self.class_loss.state_dict() if self.class_loss else None,
            "vocabulary_loss": self.vocabulary_loss.state_dict() if self.vocabulary_loss else None,
            "window": self.window.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state of the same policy."""
        self.window.load_state_dict(state["window"])
        if self.class_loss is not None:
            self.class_loss.load_state_dict(state["class_loss"])
        if self.vocabulary_loss is not None:
            self.vocabulary_loss.load_state_dict(state["vocabulary_loss"])

    def _open_step(self) -> _Step:
        assert self._step is not None, "a step is opened before anything of it is added"
        return self._step

    def _take_in(self, step: _Step) -> None:
        totals = step.sums.totals()
        loss = totals.scalar("loss")
        if not math.isfinite(loss):
            finite = torch.isfinite(totals.class_loss()).tolist()
            names = [n for n, ok in zip(self._masker.class_names, finite, strict=True) if not ok]
            is_telling = 0 < len(names) <= _NAMED_CLASSES
            where = f" ({', '.join(names)})" if is_telling else ""
            samples = self._divergence.samples_not_finite(step.number, step.losses)
            raise self._divergence.error(f"training loss{where}", loss, step.number, samples)
        if self.class_loss is not None:
            self.class_loss.update(totals.class_loss(), totals.class_count(), step=step.number)
        if self.vocabulary_loss is not None:
            self.vocabulary_loss.update(*totals.vocabulary(), step=step.number)
        self.window.add(totals, ratio=step.ratio)
