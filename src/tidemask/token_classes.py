"""Token classes: what a token counts as when kinds of words are weighted differently.

The default classes are the 17 universal part-of-speech tags. A class is stored as a `uint8`
index into a list of names; `NO_CLASS` marks a token without one and is never used as an index.
"""

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
