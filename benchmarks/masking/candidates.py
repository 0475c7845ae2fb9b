"""What takes part in the benchmark of masking, whoever's code it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Mode = Literal["alone", "as called"]
"""`alone`: from ids as a tensor to masked ids and labels. `as called`: from the examples of a data
set to the tensors that a model takes."""

REFERENCE = "uniform tokens"
"""The policy of transformers with which all are compared."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something that masks a batch.

    Attributes:
        group: whose code it is.
        policy: what it does.
        mode: from what to what.
        call: masks the batch at the given step; this is timed.
        labels: the labels in what `call` returns, [B, L].
        share: expected share of the maskable tokens that is labelled; `None` where it is known
            only roughly.
    """

    group: str
    policy: str
    mode: Mode
    call: Callable[[int], Any]
    labels: Callable[[Any], Tensor]
    share: float | None


def labelled_shares(candidate: Candidate, maskable: Tensor, *, calls: int) -> list[float]:
    """Return the share of the maskable positions that each of some calls labels.

    Raises:
        RuntimeError: a position is labelled that is not maskable.
    """
    shares = []
    for step in range(calls):
        labelled = candidate.labels(candidate.call(step)) != -100
        if bool((labelled & ~maskable).any()):
            raise RuntimeError(f"{candidate.group}, {candidate.policy}: labels a special token")
        shares.append(float(labelled.sum() / maskable.sum()))
    return shares
