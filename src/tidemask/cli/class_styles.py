"""The colours of token classes in a terminal."""

from __future__ import annotations

from tidemask.token_classes import CONTENT_UPOS, UPOS

_COLOURS = {
    "NOUN": "bright_blue", "PROPN": "blue", "VERB": "bright_green", "AUX": "green",
    "ADJ": "bright_magenta", "ADV": "magenta", "PRON": "yellow", "DET": "bright_yellow",
    "ADP": "cyan", "CCONJ": "bright_cyan", "SCONJ": "bright_cyan", "PART": "bright_red",
    "NUM": "red", "INTJ": "red", "PUNCT": "bright_black", "SYM": "bright_black", "X": "white",
}  # fmt: skip
_OTHER_COLOURS = ("bright_blue", "bright_green", "bright_magenta", "yellow", "cyan", "red")


def class_colour(class_name: str) -> str:
    """The colour of a class; of one that is no part of speech, by its name."""
    if class_name in UPOS:
        return _COLOURS[class_name]
    return _OTHER_COLOURS[sum(map(ord, class_name)) % len(_OTHER_COLOURS)]


def class_style(class_name: str) -> str:
    """The colour of a class, bold for content words."""
    return ("bold " if class_name in CONTENT_UPOS else "") + class_colour(class_name)
