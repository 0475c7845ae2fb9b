"""What the losses and masks of one optimizer step add up to, over micro-batches and ranks.

A step's loss is a sum and a normaliser, and both are sums over everything that the step saw. The
losses stay on the device until the step is over: all of them are reduced over ranks and copied to
the host once, and nobody waits for that before the next step needs them.

Dimensions: `K` classes, `S` selected positions, `V` vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from tidemask.training.async_copy import AsyncCopy
from tidemask.training.distributed import all_sum, on_device

COUNTS = ("normaliser", "selected", "corrupted", "maskable", "tokens", "shortfall")
"""What is counted of every micro-batch, in this order; tokens, and the divisor of the loss."""


@dataclass(frozen=True)
class StepTotals:
    """The sums over all ranks, on the host.

    Attributes:
        vector: loss, counts, loss per class and selected tokens per class, float64.
        num_classes: `K`; tokens without class are counted beside.
        of_vocabulary: summed loss and selected tokens of each entry, float64 [2, V]; V may be 0.
    """

    vector: Float64[Tensor, "N"]
    num_classes: int
    of_vocabulary: Float64[Tensor, "2 V"]

    def scalar(self, name: str) -> float:
        """`loss`, nats, or one of `COUNTS`."""
        return float(self.vector[0 if name == "loss" else 1 + COUNTS.index(name)])

    def class_loss(self) -> Float64[Tensor, "K"]:
        """Summed cross-entropy per class, nats."""
        begin = 1 + len(COUNTS)
        return self.vector[begin : begin + self.num_classes]

    def class_count(self) -> Float64[Tensor, "K"]:
        """Selected tokens per class."""
        begin = 1 + len(COUNTS) + self.num_classes + 1
        return self.vector[begin : begin + self.num_classes]

    def vocabulary(self) -> tuple[Float64[Tensor, "V"], Float64[Tensor, "V"]]:
        """Summed cross-entropy, nats, and selected tokens of each entry."""
        return self.of_vocabulary[0], self.of_vocabulary[1]


class StepSums:
    """Adds up one optimizer step.

    Args:
        num_classes: `K`.
        vocab_size: `V` where losses are summed per vocabulary entry too, else 0.
        device: where the losses are.
    """

    def __init__(
        self, num_classes: int, vocab_size: int = 0, *, device: torch.device | str = "cpu"
    ) -> None:
        self.num_classes = num_classes
        self._counts = torch.zeros(len(COUNTS), dtype=torch.float64, device="cpu")
        self._loss = torch.zeros(1, dtype=torch.float64, device=device)
        self._classes = torch.zeros(2, num_classes + 1, dtype=torch.float64, device=device)
        self._vocabulary = torch.zeros(2, vocab_size, dtype=torch.float64, device=device)
        self._sent: tuple[AsyncCopy, AsyncCopy] | None = None

    @property
    def normaliser(self) -> float:
        """The divisor of the loss, of this rank alone."""
        return float(self._counts[0])

    def add_counts(self, counts: Float64[Tensor, "6"]) -> None:
        """Take in the `COUNTS` of one or more micro-batches, on the host."""
        self._counts += counts

    def add_losses(
        self,
        loss: Float[Tensor, ""],
        token_loss: Float[Tensor, "S"],
        classes: Int[Tensor, "S"],
        targets: Int[Tensor, "S"],
    ) -> None:
        """Take in the losses of one micro-batch; nothing waits for the device.

        Args:
            loss: weighted sum over its selected positions, nats.
            token_loss: cross-entropy of each selected position, nats, before any weight.
            classes: class of each selected position in [0, K], `K` for none.
            targets: original id of each selected position.
        """
        losses = token_loss.double()
        self._loss += loss.double()
        for sums, keys in ((self._classes, classes), (self._vocabulary, targets)):
            if sums.shape[1]:
                sums[0].index_add_(0, keys, losses)
                sums[1].index_add_(0, keys, torch.ones_like(losses))

    def send(self) -> None:
        """Reduce over ranks and begin to copy to the host; nothing may be added afterwards."""
        counts = on_device(self._counts, self._loss.device)
        vector = torch.cat([self._loss, counts, self._classes.flatten()])
        self._sent = AsyncCopy(all_sum(vector)), AsyncCopy(all_sum(self._vocabulary))

    def totals(self) -> StepTotals:
        """The sums over all ranks; waits for what `send` has begun."""
        if self._sent is None:
            self.send()
        assert self._sent is not None
        vector, vocabulary = (sent.wait() for sent in self._sent)
        return StepTotals(vector, self.num_classes, vocabulary)
