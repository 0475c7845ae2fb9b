"""Held-out losses sequence by sequence, so that what differs between runs can be paired.

Dimensions: `M` losses, `S` sequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.run_record.held_out import HELD_OUT_CELLS, MEAN_LOSS


@dataclass(frozen=True, kw_only=True)
class SequenceSums:
    """Summed loss and number of predicted tokens of every held-out sequence, under each masking.

    Two runs that were evaluated alike on one corpus have the same rows and, but for `OWN_LOSS`, the
    same counts: their sums are of the same masked tokens.

    Attributes:
        losses: names of the `M` losses, such as `held_out/word_loss_15`; without the mean.
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
        shape = len(self.losses), len(self.rows)
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

        The sum of the sequence times `S / (count of all)`, so sequences count by their tokens. The
        weights are the same in two runs with the same counts: the difference of the two arrays is
        that of the losses, paired.

        Raises:
            ValueError: there is no such loss, or it has no token.
        """
        if loss == MEAN_LOSS:
            cells = [self.weighted(cell.loss) for cell in HELD_OUT_CELLS]
            mean: NDArray[np.float64] = np.stack(cells).mean(axis=0)
            return mean
        if loss not in self.losses:
            raise ValueError(f"loss={loss!r}. Expected one of {', '.join(self.losses)}.")
        place = self.losses.index(loss)
        total = int(self.counts[place].sum())
        if total == 0:
            raise ValueError(f"loss={loss!r} has no token. Measure more sequences.")
        weighted: NDArray[np.float64] = self.sums[place].astype(np.float64)
        return weighted * (len(self.rows) / total)

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
