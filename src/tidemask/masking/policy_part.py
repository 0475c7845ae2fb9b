"""Parts of a policy: what is selected and how, in some sequences or for a stretch of the run.

A part names what it does otherwise than the policy that it stands in; what it leaves out is as the
policy has it. Ratio, prediction, budget and loss weight are the policy's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidemask.masking.corruption import Corruption
from tidemask.masking.mixture import AnyWeighting
from tidemask.masking.schedule import check_ends
from tidemask.masking.shares import Share
from tidemask.masking.spans import MaskingUnit, SpanLengths
from tidemask.settings import Settings, check_share


@dataclass(frozen=True, kw_only=True)
class PolicyPart(Settings):
    """What differs from the policy that the part stands in."""

    unit: MaskingUnit | None = None
    """What is selected whole or not at all; `None` for the policy's own."""
    spans: SpanLengths | None = None
    """Lengths of spans, for the unit `span`; `None` for the policy's own."""
    content: AnyWeighting | None = None
    """Which tokens are selected more; `None` for the policy's own."""
    corruption: Corruption | None = None
    """What the input shows at the selected positions; `None` for the policy's own."""

    def own(self) -> dict[str, Any]:
        """What it names, by the field of the policy."""
        named = {name: getattr(self, name) for name in PART_FIELDS}
        return {name: value for name, value in named.items() if value is not None}


PART_FIELDS = ("unit", "spans", "content", "corruption")
"""What a part may have of its own."""


@dataclass(frozen=True, kw_only=True)
class SequencePart(PolicyPart):
    """A part by which some of the sequences of each step are masked."""

    share: Share
    """Chance that a sequence is masked by this part, in [0, 1], or a schedule of it; those of all
    parts add up to 1."""


@dataclass(frozen=True, kw_only=True)
class PolicyPhase(PolicyPart):
    """A part by which all sequences are masked for a stretch of the run."""

    until: float
    """Progress at which the phase ends, itself not included, in (0, 1]; the last is 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("until", self.until)


def check_phases(phases: Sequence[PolicyPhase]) -> None:
    """Refuse phases that are none, or that do not fill the run one after the other.

    Raises:
        ValueError: there is one alone, or their ends do not ascend to 1.
    """
    ends = [phase.until for phase in phases]
    if len(ends) == 1:
        raise ValueError(
            f"phases: only one, until {ends[0]:g}. Expected at least two; what holds all the time "
            "stands in masking itself."
        )
    check_ends(ends)


def phase_at(phases: Sequence[PolicyPhase], progress: float) -> int:
    """Number of the phase in which `progress` falls; at 1, the last."""
    return next((i for i, p in enumerate(phases) if progress < p.until), len(phases) - 1)
