"""What may be selected whole or not at all, and how long spans are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tidemask.settings import Settings, check_integer


@dataclass(frozen=True, kw_only=True)
class Grouped(Settings):
    """The tokens of a group together, wherever in the sequence they are.

    What belongs to no group is a unit word by word; where a group has only some tokens of a word,
    the others are a unit.
    """

    group: str
    """The column of groups: entities, collocations, or whatever else belongs together."""


MaskingUnit = Literal["token", "word", "span"] | Grouped
"""`token`: every position by itself. `word`: all subwords of a word together. `span`: a run of
adjacent words, or tokens. `{group: NAME}`: the tokens of each group of a column together."""


_MAX_SPAN = 1000
"""Each possible length is an operation on every batch."""


@dataclass(frozen=True, kw_only=True)
class SpanLengths(Settings):
    """Lengths of spans: geometric, cut at a maximum.

    `P(length = l)` is in proportion to `p (1 - p)^(l - 1)` for l from 1 to `longest`.

    References:
        Joshi et al., "SpanBERT" (TACL 2020), section 3.1: p = 0.2, at most 10 words, mean 3.8.
        Deviation: spans partition the whole sequence and each is selected by itself, where the
        original places spans at random until the budget is reached. So the inclusion probability is
        known and the same at every position; two selected spans may touch.
    """

    p: float = 0.2
    """Chance that a span ends at its next element, in (0, 1]."""
    longest: int = 10
    """Maximum number of elements of a span, 1 to 1000."""
    of: Literal["word", "token"] = "word"
    """What a span's elements are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.p <= 1.0:
            raise ValueError(f"p={self.p:g}. Expected a number above 0, at most 1.")
        check_integer("longest", self.longest, minimum=1, below=_MAX_SPAN + 1)

    @cached_property
    def cumulative(self) -> list[float]:
        """Chance of a length of at most 1, 2, ..., `longest`; the last is 1."""
        masses = [self.p * (1.0 - self.p) ** i for i in range(self.longest)]
        total = sum(masses)
        return [sum(masses[: i + 1]) / total for i in range(self.longest - 1)] + [1.0]
