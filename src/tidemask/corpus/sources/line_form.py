"""Whether the lines of a text file are parts of one text, by their lengths, beginnings and ends.

Wrapped text fills its lines up to a margin: the first word of the next line would not have fitted.
Most such lines end within a sentence, and in scripts with capitals many begin with a small letter.
Lines of verse are as long as they like, but many end in a comma or its like. Messages, reviews and
sentences of one line do neither; lines that begin alike, as those of a log, are records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

FILLED_SHARE = 0.5
"""Share of the lines that are filled from which on a file is wrapped."""

CLAUSE_SHARE = 0.05
"""Share of the lines that end in a comma or its like from which on lines are parts of a text."""

_MIN_LINES = 5
"""Lines below which a margin cannot be told."""

_MARGIN_QUANTILE = 0.9
"""Of the lengths of a file's lines: its margin, which some lines are longer than."""

_ENDED_SHARE = 0.5
"""Share of the lines that end a sentence above which lines are not wrapped."""

_SMALL_SHARE = 0.25
"""Share of small letters among the cased first letters of lines that were wrapped, at least."""

_ALIKE_SHARE = 0.5
"""Share of the lines with one first word from which on lines are records."""

_SENTENCE_ENDS = ".!?\u2026\u3002\uff01\uff1f\u0964\u061f"  # … 。 ！ ？ । ؟
_CLAUSE_ENDS = ",;:-\u2013\u2014\uff0c\u3001\uff1b\uff1a\u060c\u061b"  # – — ， 、 ； ： ، ؛
_QUOTES = "\"'*_()[]\u2018\u2019\u201c\u201d\u00ab\u00bb\u300c\u300d"


@dataclass
class LineForm:
    """Counts of lines that another follows, over some files.

    Attributes:
        num_lines: of them.
        num_filled: to which the first word of the next line would not have fitted.
        num_ended: that end a sentence.
        num_clauses: that end in a comma or its like.
        num_small, num_capital, num_uncased: followed by a line whose first character is such a
            letter; uncased ones are those of Chinese or Arabic.
        first_words: of the lines that follow.
    """

    num_lines: int = 0
    num_filled: int = 0
    num_ended: int = 0
    num_clauses: int = 0
    num_small: int = 0
    num_capital: int = 0
    num_uncased: int = 0
    first_words: Counter[str] = field(default_factory=Counter)

    def add(self, lines: Sequence[str]) -> None:
        """Count the lines of a file; blank ones stand between texts."""
        stripped = [line.strip() for line in lines]
        lengths = sorted(len(line) for line in stripped if line)
        if not lengths:
            return
        margin = lengths[ceil(_MARGIN_QUANTILE * len(lengths)) - 1]
        for line, following in pairwise(stripped):
            if line and following:
                self._add_pair(line, following, margin)

    def _add_pair(self, line: str, following: str, margin: int) -> None:
        first_word = following.split(maxsplit=1)[0]
        # Text without spaces may be broken between any two letters, if not before every mark.
        room = len(first_word) if 4 * len(first_word) <= margin else margin // 10
        last, first = line.rstrip(_QUOTES)[-1:] or line[-1], following.lstrip(_QUOTES)[:1]
        self.num_lines += 1
        self.num_filled += len(line) + 1 + room > margin
        self.num_ended += last in _SENTENCE_ENDS
        self.num_clauses += last in _CLAUSE_ENDS
        self.num_small += first.islower()
        self.num_capital += first.isupper()
        self.num_uncased += first.isalpha() and not (first.islower() or first.isupper())
        self.first_words[first_word] += 1

    @property
    def is_wrapped(self) -> bool:
        """Whether most lines end at a margin, within sentences."""
        cased = self.num_small + self.num_capital
        return (
            self.num_lines >= _MIN_LINES
            and self._share(self.num_filled) >= FILLED_SHARE
            and self._share(self.num_ended) < _ENDED_SHARE
            and 2 * (cased + self.num_uncased) >= self.num_lines
            and (self.num_uncased > cased or self.num_small >= _SMALL_SHARE * cased)
            and not self._begins_alike
        )

    @property
    def has_clauses(self) -> bool:
        """Whether many lines end in a comma or its like, as those of verse."""
        return self.clause_share >= CLAUSE_SHARE and not self._begins_alike

    @property
    def clause_share(self) -> float:
        """Share of the lines that end in a comma or its like, in [0, 1]."""
        return self._share(self.num_clauses)

    @property
    def _begins_alike(self) -> bool:
        most = max(self.first_words.values(), default=0)
        return self._share(most) >= _ALIKE_SHARE

    def _share(self, number: int) -> float:
        return number / self.num_lines if self.num_lines else 0.0
