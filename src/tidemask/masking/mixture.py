"""Mixtures of weightings: several of them share one budget.

Each part has its own weights and so, at the common budget, its own inclusion probabilities `pi[i]`;
the mixture's are `sum of share[i] * pi[i]`. Every part meets the budget, hence so does the mixture.
Were weights mixed instead, the part with the larger ones would rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from tidemask.masking.shares import Share, check_shares
from tidemask.masking.weighting import Weighting
from tidemask.settings import OneOf, Settings, members


@dataclass(frozen=True, kw_only=True)
class ContentPart(Settings):
    """A weighting of a mixture, and its share of the budget."""

    share: Share
    """Share of the budget, in [0, 1], or a schedule of it; those of all parts add up to 1."""
    content: Weighting
    """Which tokens this part selects more; any weighting but a mixture."""


@dataclass(frozen=True, kw_only=True)
class ByMixture(Settings):
    """Several weightings side by side: the chance of a unit is the mean of its chances under each.

    Example:
        >>> from tidemask.masking.weighting import ByFrequency, Uniform
        >>> rare = ContentPart(share=0.4, content=ByFrequency())
        >>> mixture = ByMixture(parts=(rare, ContentPart(share=0.6, content=Uniform())))
        >>> [content.weighting for content in single_weightings(mixture)]
        ['frequency', 'uniform']
        >>> ByMixture(parts=(rare, rare))
        Traceback (most recent call last):
        ValueError: parts: the shares 0.4 + 0.4 add up to 0.8 at progress 0. Expected ...
    """

    weighting: Literal["mixture"] = "mixture"
    parts: tuple[ContentPart, ...]
    """At least one; their shares add up to 1 at any progress."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares([part.share for part in self.parts], "parts")


AnyWeighting = Annotated[Weighting | ByMixture, OneOf("weighting")]
"""Any weighting, or a mixture of some."""

WEIGHTINGS: dict[str, type[AnyWeighting]] = {**members(Weighting), "mixture": ByMixture}
"""Weightings by the name that `masking.content.weighting` gives."""


def parts_of(content: AnyWeighting) -> tuple[ContentPart, ...]:
    """The parts of a mixture; any other weighting as its only part."""
    if isinstance(content, ByMixture):
        return content.parts
    return (ContentPart(share=1.0, content=content),)


def single_weightings(content: AnyWeighting) -> Iterator[Weighting]:
    """The weightings of a mixture; any other one as it is."""
    return (part.content for part in parts_of(content))
