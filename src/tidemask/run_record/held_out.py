"""Held-out loss by name: the cells of ratio and unit that it is measured in, and what else is.

No cell decides alone, since each favours the policies that train as it measures: the headline is
the mean over all of them. A loss under a policy's own final distribution stands beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HELD_OUT = "held_out/"
HELD_OUT_TASK = "held-out"
"""The task that measures held-out loss; results of other tasks bear their own names."""
MEAN_LOSS = "held_out/loss"
"""Mean of the losses in all `HELD_OUT_CELLS`, nats per token; each cell has the same weight."""
OWN_LOSS = "held_out/own_loss"
"""Loss under the masks that a run's own policy draws at its end, corruption included."""
UNIGRAM_CROSS_ENTROPY = "unigram_cross_entropy"
"""Loss of the token frequencies of the training split on the held-out one: no context is used."""
UNIGRAM_ENTROPY = "unigram_entropy"
"""Entropy of the held-out text's own token frequencies, which no model can know."""
FREQUENCY_BANDS: tuple[tuple[int, int], ...] = ((0, 50), (50, 75), (75, 90), (90, 99), (99, 100))
"""Bands of vocabulary entries, the most frequent first: the per cent of the training tokens whose
entries are more frequent, from and below. The last band also holds what was never seen."""


@dataclass(frozen=True)
class HeldOutCell:
    """A fixed masking: what is masked whole or not at all, and how much of the text.

    Example:
        >>> from tidemask.run_record import HeldOutCell
        >>> HeldOutCell("token", 15).loss, HeldOutCell("word", 15).loss
        ('held_out/loss_15', 'held_out/word_loss_15')
    """

    unit: Literal["token", "word"]
    percent: int
    """Of the maskable tokens, in expectation."""

    @property
    def loss(self) -> str:
        """Name of the mean loss, nats per token; that of single tokens is the older one."""
        return f"{HELD_OUT}{'word_' if self.unit == 'word' else ''}loss_{self.percent}"

    @property
    def title(self) -> str:
        """Ratio and unit in words."""
        unit = "in whole words" if self.unit == "word" else "in single tokens"
        return f"{self.percent} % {unit}"


HELD_OUT_CELLS = tuple(
    HeldOutCell(unit, percent) for unit in ("token", "word") for percent in (5, 15, 30)
)
"""What held-out loss is always measured in, with every selected position shown as the mask."""


def standard_error_of(loss: str) -> str:
    """Name of the standard error of a held-out loss."""
    return f"{loss}_standard_error"


def num_predicted_of(loss: str) -> str:
    """Name of the number of tokens that a held-out loss is the mean over."""
    return loss.replace("loss", "num_predicted")


def loss_of_class(loss: str, class_name: str) -> str:
    """Name of a held-out loss on the tokens of one class alone."""
    return f"{loss}/{class_name}"


def loss_of_band(loss: str, band: tuple[int, int]) -> str:
    """Name of a held-out loss on the entries of one of `FREQUENCY_BANDS` alone."""
    return f"{loss}/frequency/{band[0]}-{band[1]}"
