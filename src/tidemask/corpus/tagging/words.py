"""The interface of a tagger, and its result: words with their places and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TaggedWords:
    """The words of one text, ascending, without overlap; they cover all but white space.

    Attributes:
        starts: offset of each word's first character, as Python indexes `str`, int32 [W].
        ends: offset after each word's last character, int32 [W].
        classes: index into the tagger's `class_names`, uint8 [W].
    """

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    classes: NDArray[np.uint8]


class Tagger(Protocol):
    """A tagger, as preparation uses it.

    Attributes:
        name: what `load_tagger` makes it from, in another process too.
        fingerprint: names the tagger's behaviour; two that differ may tag differently.
        class_names: the classes in the order of their indices.
    """

    name: str
    fingerprint: str
    class_names: tuple[str, ...]

    def tag(self, texts: Sequence[str]) -> list[TaggedWords]:
        """The words of each text; a text's words do not depend on the other texts."""
        ...
