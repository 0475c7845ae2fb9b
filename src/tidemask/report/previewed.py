"""What a preview says of a policy: plain values, for the terminal, for the page and for Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

_MIN_SHORTFALL = 0.0005
"""From which on it is not shown as 0."""


@dataclass(frozen=True)
class PreviewToken:
    """A token of a passage: what the input shows, whether it is to be predicted, and why."""

    text: str
    state: str
    """`visible`; `mask`, `random` or `kept` if it is to be predicted; or `hidden`, which is
    corrupted but not predicted."""
    original: str
    starts_word: bool
    is_spaced: bool = True
    """Whether a space stands before it: at the start of a word, but not in Chinese or Japanese."""
    unit: int = -1
    """Tokens of one number are selected together, or not at all."""
    class_name: str | None = None
    """Of its class, where the corpus has classes and it has one."""
    weight: float = 1.0
    """As a multiple of the mean weight of the sequence; 1 where all are equal."""
    inclusion: float | None = None
    """Chance of being selected at this step; `None` under a fixed budget, where it has no closed
    form."""
    due_to: int | None = None
    """The weighting that it was selected by, by its place in the passage's `weightings`."""


class UnitStretch(NamedTuple):
    """Neighbouring tokens of one unit, and whether they are to be shown as one: several words."""

    tokens: Sequence[PreviewToken]
    is_boxed: bool


@dataclass(frozen=True)
class PreviewPassage:
    """One sequence at one step of the run."""

    sequence: int
    """Its number in the split."""
    ratio: float
    """Its own masking ratio, which may be another than that of the step."""
    part: str
    """The part of the policy that masks it, in words; empty where there are no parts."""
    weightings: tuple[str, ...]
    """Of a mixture, each with its share of the budget; else empty."""
    unit: str
    """What is selected whole or not at all: `token`, `word`, `span`, or `group of` a column."""
    tokens: list[PreviewToken]

    def stretches(self) -> Iterator[UnitStretch]:
        """The tokens, unit by unit; a group with a gap is several stretches."""
        for _, found in groupby(self.tokens, key=lambda token: token.unit):
            tokens = list(found)
            is_long = sum(token.starts_word for token in tokens) > 1
            # Where nothing of a span is selected, nobody sees that it was cut there.
            is_seen = self.unit != "span" or any(token.state != "visible" for token in tokens)
            yield UnitStretch(tokens, is_long and is_seen)

    @property
    def has_weights(self) -> bool:
        """Whether some tokens have larger weights than others."""
        weights = [token.weight for token in self.tokens]
        return bool(weights) and max(weights) > 1.01 * min(weights)


@dataclass(frozen=True)
class PreviewStep:
    """The policy at one step of the run."""

    progress: float
    ratio: float
    realised_ratio: float
    class_shares: dict[str, tuple[float, float]]
    """Per class, its share of the masked tokens and of all maskable ones; of the tokens that have
    none under `others`, where there are some."""
    length_ratios: dict[str, float]
    """By the length of words in tokens, the masked share of their tokens; the last is for `n+`."""
    passages: list[PreviewPassage]
    """Of each sequence that is shown."""
    parts: dict[str, float]
    """The parts of the policy at this step, with their shares of the sequences; may be empty."""
    step: int
    """The optimizer step, from 0 to the planned number of steps."""
    num_steps: int
    """Planned optimizer steps."""
    note: str = ""
    """Why this step is shown, where the policy changes here."""
    shortfall: float = 0.0
    """Share of the maskable tokens that the ratio asks for and that have the weight 0."""
    notes: tuple[str, ...] = ()
    """What a user should know of the policy on the corpus, one sentence each; as at all steps."""

    @property
    def budget_note(self) -> str:
        """That the budget is not met, and why; empty where it is."""
        if self.shortfall < _MIN_SHORTFALL:
            return ""
        return (
            f"weights of 0 leave too few tokens: {100 * self.shortfall:.1f} % of all are missing "
            f"from the {100 * self.ratio:.1f} % that the ratio asks for"
        )

    @property
    def tokens(self) -> list[PreviewToken]:
        """Of the first passage."""
        return self.passages[0].tokens
