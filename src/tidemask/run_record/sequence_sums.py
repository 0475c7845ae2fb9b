"""Held-out losses sequence by sequence, so that what differs between runs can be paired.

Dimensions: `M` losses, `S` sequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.errors import UserError
from tidemask.run_record.held_out import HELD_OUT_CELLS, MEAN_LOSS


@dataclass(frozen=True, kw_only=True)
class SequenceSums:
    """Summed loss and number of predicted tokens of every held-out sequence, under each masking.

    Two runs that were evaluated alike on one corpus have the same rows and, but for `OWN_LOSS`, the
    same counts: their sums are of the same masked tokens.

    Attributes:
        losses: names of the `M` losses, such as `held_out/word_loss_15`; without the mean, and
            without those under which no token was masked.
        rows: numbers of the sequences in the held-out split, int64 [S], ascending.
        sums: summed loss, nats, float32 [M, S].
        counts: number of predicted tokens, int32 [M, S]; 0 where none was masked.

    Example:
        >>> import numpy as np
        >>> from tidemask.run_record import SequenceSums
        >>> found = SequenceSums(
        ...     losses=("held_out/loss_15",),
        ...     rows=np.array([0, 1]),
        ...     sums=np.array([[6.0, 3.0]], dtype=np.float32),
        ...     counts=np.array([[2, 1]], dtype=np.int32),
        ... )
        >>> found.mean("held_out/loss_15"), found.weighted("held_out/loss_15").tolist()
        (3.0, [4.0, 2.0])
    """

    losses: tuple[str, ...]
    rows: NDArray[np.int64]
    sums: NDArray[np.float32]
    counts: NDArray[np.int32]

    def __post_init__(self) -> None:
        shape = len(self.losses), self.rows.size
        for name, array, kind in (
            ("rows", self.rows, np.integer),
            ("sums", self.sums, np.floating),
            ("counts", self.counts, np.integer),
        ):
            expected = shape[1:] if name == "rows" else shape
            if array.shape != expected or not np.issubdtype(array.dtype, kind):
                raise ValueError(
                    f"{name} is {array.dtype} {list(array.shape)}. Expected {kind.__name__} "
                    f"{list(expected)}"
                )

    def mean(self, loss: str) -> float:
        """The loss as a whole, nats per token; of `MEAN_LOSS` the mean over the cells.

        Raises:
            ValueError: there is no such loss, or it has no token.
        """
        return float(self.weighted(loss).sum()) / len(self.rows)

    def weighted(self, loss: str) -> NDArray[np.float64]:
        """What each sequence adds to a loss, float64 [S]; the mean over sequences is the loss.

        The sum of the sequence times `S / (count of all)`, so sequences count by their tokens.

        Raises:
            ValueError: there is no such loss, or it has no token.
        """
        places = self._places(loss)
        totals = self.counts[places].sum(axis=1, keepdims=True)
        if not totals.all():
            raise ValueError(f"loss={loss!r} has no token: none was masked in these sequences.")
        weighted: NDArray[np.float64] = self.sums[places] * (len(self.rows) / totals)
        mean: NDArray[np.float64] = weighted.mean(axis=0)
        return mean

    def has_tokens_of(self, other: SequenceSums, loss: str) -> bool:
        """Whether a loss is of as many tokens in the same sequences as another model's is.

        Raises:
            ValueError: there is no such loss in one of them.
        """
        ours, theirs = self.counts[self._places(loss)], other.counts[other._places(loss)]
        return np.array_equal(self.rows, other.rows) and np.array_equal(ours, theirs)

    def difference(self, other: SequenceSums, loss: str) -> NDArray[np.float64]:
        """What each sequence adds to a loss beyond what it adds to another model's, float64 [S].

        The mean over sequences is the difference of the losses, paired: its standard error is that
        of the mean of this array.

        Raises:
            ValueError: there is no such loss in one of them, or it has no token.
            UserError: the two were not measured on the same tokens.
        """
        if not self.has_tokens_of(other, loss):
            raise UserError(
                f"not the same tokens: {loss} is of {self._extent(loss)}, that of the other model "
                f"of {other._extent(loss)}. Expected the same ones, to pair them. Evaluate both on "
                "one corpus with the same settings."
            )
        return self.weighted(loss) - other.weighted(loss)

    def _places(self, loss: str) -> list[int]:
        """Places in `losses` of those that a loss is the mean of, itself or the cells.

        Raises:
            ValueError: one is not there.
        """
        names = [cell.loss for cell in HELD_OUT_CELLS] if loss == MEAN_LOSS else [loss]
        if missing := [name for name in names if name not in self.losses]:
            raise ValueError(f"loss={missing[0]!r}. Expected one of {', '.join(self.losses)}.")
        return [self.losses.index(name) for name in names]

    def _extent(self, loss: str) -> str:
        """How much text and how many tokens, in words."""
        num_tokens = int(self.counts[self._places(loss)].sum())
        rows = f" from row {self.rows[0]} to {self.rows[-1]}" if len(self.rows) else ""
        return f"{num_tokens:,} tokens in {len(self.rows):,} sequences{rows}"

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is written beside a result."""
        return {
            "losses": np.array(self.losses),
            "rows": self.rows,
            "sums": self.sums,
            "counts": self.counts,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> SequenceSums:
        """The sums that such arrays hold.

        Raises:
            ValueError: an array is missing, or has another shape or type.
        """
        missing = [name for name in ("losses", "rows", "sums", "counts") if name not in arrays]
        if missing:
            raise ValueError(f"no array {missing[0]}")
        losses = tuple(map(str, arrays["losses"].ravel()))
        return cls(losses=losses, **{name: arrays[name] for name in ("rows", "sums", "counts")})
