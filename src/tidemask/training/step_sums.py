"""What the losses and masks of one optimizer step add up to, over micro-batches and ranks.

A step's loss is a sum and a normaliser, and both are sums over everything that the step saw. The
losses stay on the device until the step is over: all of them are reduced over ranks and copied to
the host once, and nothing waits for that before the next step needs them.

Dimensions: `K` classes, `S` selected positions, `V` vocabulary; a statistic has `R` sums of each of
`N` classes or entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from tidemask.masking.class_statistic import ClassStatistic
from tidemask.masking.statistic_sums import token_values
from tidemask.token_classes import VOCABULARY
from tidemask.training.async_copy import AsyncCopy
from tidemask.training.distributed import all_sum, on_device
from tidemask.training.masked_step import TokenCounts


@dataclass(frozen=True)
class StepTotals:
    """The sums over all ranks, on the host.

    Attributes:
        loss: weighted sum of cross-entropies, nats.
        counts: tokens, and the divisor of the loss.
        class_loss: summed cross-entropy of each class, nats; tokens without a class are left out.
        class_count: selected tokens of each class.
        vocabulary_loss: summed cross-entropy of each vocabulary entry, nats; V may be 0.
        vocabulary_count: selected tokens of each entry.
        statistic: what `ClassStatistic.update` takes, its sums and then the counts, [R + 1, N];
            N is 0 where weights follow no statistic.
    """

    loss: float
    counts: TokenCounts
    class_loss: Float64[Tensor, "K"]
    class_count: Float64[Tensor, "K"]
    vocabulary_loss: Float64[Tensor, "V"]
    vocabulary_count: Float64[Tensor, "V"]
    statistic: Float64[Tensor, "R1 N"]


class StepSums:
    """Adds up one optimizer step.

    Args:
        counts: of this rank's micro-batches together, on the host.
        num_micro_batches: of this rank; after the last one the sums are sent.
        num_classes: `K`.
        vocab_size: `V` where losses are summed per vocabulary entry too, else 0.
        statistic: whose sums are added too; `None` for none.
        device: where the losses are.

    Attributes:
        losses: the summed loss of each micro-batch so far, on the device.
    """

    def __init__(
        self,
        counts: TokenCounts,
        *,
        num_micro_batches: int,
        num_classes: int,
        vocab_size: int = 0,
        statistic: ClassStatistic | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.losses: list[Tensor] = []
        self._num_micro_batches = num_micro_batches
        self._counts = torch.stack(counts)
        self._loss = torch.zeros(1, dtype=torch.float64, device=device)
        self._classes = torch.zeros(2, num_classes + 1, dtype=torch.float64, device=device)
        self._vocabulary = torch.zeros(2, vocab_size, dtype=torch.float64, device=device)
        shape = (1, 0)
        if statistic is not None:  # one more class at the end takes what has none
            shape = statistic.num_values + 1, len(statistic.class_names) + 1
        self._followed = None if statistic is None else statistic.content
        self._statistic = torch.zeros(shape, dtype=torch.float64, device=device)
        self._sent: tuple[AsyncCopy, AsyncCopy] | None = None

    @property
    def needs_first_choice(self) -> bool:
        """Whether the statistic needs to know if the model's first choices are right."""
        return self._followed is not None and self._followed.statistic == "accuracy"

    def add_losses(
        self,
        loss: Float[Tensor, ""],
        token_loss: Float[Tensor, "S"],
        classes: Int[Tensor, "S"],
        targets: Int[Tensor, "S"],
        first_choice: Bool[Tensor, "S"] | None = None,
    ) -> None:
        """Add the losses of one micro-batch; nothing waits for the device.

        Args:
            loss: weighted sum over its selected positions, nats.
            token_loss: cross-entropy of each selected position, nats, before any weight.
            classes: class of each selected position in [0, K], `K` for none.
            targets: original id of each selected position.
            first_choice: whether the model's first choice was right, where a statistic needs it.
        """
        self.losses.append(loss)
        losses = token_loss.double()
        self._loss += loss.double()
        for sums, keys in ((self._classes, classes), (self._vocabulary, targets)):
            if sums.shape[1]:
                sums[0].index_add_(0, keys, losses)
                sums[1].index_add_(0, keys, torch.ones_like(losses))
        if self._followed is not None:
            values = token_values(self._followed.statistic, token_loss, first_choice)
            rows = torch.cat([values, torch.ones_like(values[:1])])
            keys = targets if self._followed.classes == VOCABULARY else classes
            self._statistic.index_add_(1, keys, rows)
        if len(self.losses) == self._num_micro_batches:
            self._send()

    def totals(self) -> StepTotals:
        """The sums over all ranks; waits until they are on the host."""
        assert self._sent is not None, "the losses of every micro-batch are added first"
        vector, entries = (sent.wait() for sent in self._sent)
        sizes = [1, len(self._counts), self._classes.numel()]
        loss, counts, classes = torch.split(vector, sizes)
        class_loss, class_count = classes.view_as(self._classes)[:, :-1]
        sizes = [self._vocabulary.numel(), self._statistic.numel()]
        vocabulary, statistic = torch.split(entries, sizes)
        vocabulary_loss, vocabulary_count = vocabulary.view_as(self._vocabulary)
        return StepTotals(
            float(loss),
            TokenCounts(*counts),
            class_loss=class_loss,
            class_count=class_count,
            vocabulary_loss=vocabulary_loss,
            vocabulary_count=vocabulary_count,
            statistic=statistic.view_as(self._statistic)[:, :-1],
        )

    def _send(self) -> None:
        """Reduce over ranks and begin to copy to the host."""
        counts = on_device(self._counts, self._loss.device)
        vector = torch.cat([self._loss, counts, self._classes.flatten()])
        entries = torch.cat([self._vocabulary.flatten(), self._statistic.flatten()])
        self._sent = AsyncCopy(all_sum(vector)), AsyncCopy(all_sum(entries))
