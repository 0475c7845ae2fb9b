"""Token classes and other columns: what is known of a token beside its id, and what it counts as.

The default classes are the 17 universal part-of-speech tags. A class is stored as a `uint8`
index into a list of names; `NO_CLASS` marks a token without one and is never used as an index.
Other columns have names, and hold a class, a weight or a group for each token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

UPOS: tuple[str, ...] = (
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
)
"""The universal part-of-speech tags (Universal Dependencies, version 2), in alphabetical order."""

CONTENT_UPOS: frozenset[str] = frozenset({"ADJ", "ADV", "INTJ", "NOUN", "PROPN", "VERB"})
"""The open classes of Universal Dependencies; the rest are function words, punctuation, others."""

NO_CLASS: int = 255
"""`uint8` value of a token without a class: special tokens, padding, words without a tag."""

UPOS_COLUMN = "upos"
"""The name by which policies call the classes that preparation recorded, whatever they are."""

VOCABULARY = "vocabulary"
"""The name by which policies call vocabulary entries as classes."""

NO_GROUP: int = -1
"""`int32` value of a token that belongs to no group."""

ColumnKind = Literal["class", "weight", "group"]
"""What a column holds of each token. `class`: an index into names, uint8, `NO_CLASS` for none.
`weight`: a finite number of at least 0, float32. `group`: the id of what the token is a part of,
int32, `NO_GROUP` for nothing; the tokens of one id in a sequence are one unit."""

COLUMN_FORMS: dict[ColumnKind, tuple[str, int]] = {
    "class": ("uint8", NO_CLASS),
    "weight": ("float32", 0),
    "group": ("int32", NO_GROUP),
}
"""Type of a column of each kind, as NumPy and torch call it, and what it holds where it says
nothing of a token."""

MAX_WEIGHT = 3.4e38
"""A larger weight is none that a float32 holds."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class TokenColumn:
    """One value for each token of a text, under a name.

    Attributes:
        name: of letters, digits, `_` and `-`, a letter first, at most 64.
        kind: what it holds.
        class_names: of a column of classes, by their indices; empty for any other.

    Raises:
        ValueError: another name or kind; names of classes missing, too many or twice.

    Example:
        >>> TokenColumn(name="entities", kind="class", class_names=("DRUG", "DISEASE")).kind
        'class'
    """

    name: str
    kind: ColumnKind
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"column={self.name!r}. Expected letters, digits, _ and -, a letter first, at most "
                "64 of them."
            )
        if self.kind not in get_args(ColumnKind):
            raise ValueError(f"kind={self.kind!r}. Expected class, weight or group.")
        if self.name == VOCABULARY or (self.name == UPOS_COLUMN and self.kind != "class"):
            raise ValueError(
                f"column={self.name}, a name that policies use for other classes. Choose another."
            )
        number = len(self.class_names)
        if (self.kind == "class") != (number > 0) or number > NO_CLASS:
            expected = f"1 to {NO_CLASS}" if self.kind == "class" else "none"
            raise ValueError(
                f"{number} names of classes for the column {self.name} of kind {self.kind}. "
                f"Expected {expected}."
            )
        if len(set(self.class_names)) < number:
            twice = next(name for name in self.class_names if self.class_names.count(name) > 1)
            raise ValueError(f"class_names: {twice!r} is there twice. Expected different names.")
