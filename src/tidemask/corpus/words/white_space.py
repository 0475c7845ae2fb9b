"""What separates words: white space, and the space of no width."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

ZERO_WIDTH_SPACE = "\u200b"
"""Khmer, Lao and Burmese have it between words where they have anything; `str.isspace` has not."""

_AFTER_SPACES = 0x3001
"""A character that is none, beyond all white space of Unicode."""


def is_white_space(text: str) -> NDArray[np.bool_]:
    """Whether `is_space` holds of each character and of the end, shape [characters + 1]."""
    return np.append(_space_table()[np.minimum(code_points(text), _AFTER_SPACES)], True)


def code_points(text: str) -> NDArray[np.uint32]:
    """The number of each character in Unicode, shape [characters]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def is_space(character: str) -> bool:
    """Whether a character separates words: white space to Python, or U+200B."""
    return character.isspace() or character == ZERO_WIDTH_SPACE


@cache
def _space_table() -> NDArray[np.bool_]:
    return np.array([is_space(chr(point)) for point in range(_AFTER_SPACES + 1)])
