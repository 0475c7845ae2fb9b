"""Words to token classes: what a tagger is, and the small table of those there are.

A tagger cuts texts into words and gives each a universal part of speech. Importing this module
loads none of them; `load_tagger` does, in whatever process calls it.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidemask.errors import UserError

TAGGER_NAMES: tuple[str, ...] = ("none", "textblob", "spacy:NAME_OR_PATH")
"""What `load_tagger` accepts."""


@dataclass(frozen=True)
class TaggedWords:
    """The words of one text, ascending and without overlap; white space lies between them.

    Attributes:
        starts: offset of each word's first character, as Python indexes `str`, int32 [W].
        ends: offset after each word's last character, int32 [W].
        classes: index into the tagger's `class_names`, uint8 [W].
    """

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    classes: NDArray[np.uint8]


class Tagger(Protocol):
    """What preparation asks of a tagger.

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


def load_tagger(name: str) -> Tagger | None:
    """The tagger of that name; `None` for "none", a corpus without classes.

    Args:
        name: "none", "textblob" (embedded, English, no download) or "spacy:" followed by the name
            of an installed pipeline or by the directory of one.

    Raises:
        UserError: no such tagger; or its library or its pipeline is missing or of no use.
    """
    kind, separator, pipeline = name.partition(":")
    if name == "none":
        return None
    if name == "textblob":
        from tidemask.corpus.textblob_tagging import TextBlobTagger

        return TextBlobTagger()
    if kind == "spacy" and pipeline:
        from tidemask.corpus.spacy_tagging import SpacyTagger

        return SpacyTagger(pipeline)
    nearest = difflib.get_close_matches(kind if separator else name, ("none", "textblob", "spacy"))
    hint = f" Did you mean {_as_written(nearest[0])}?" if nearest else ""
    raise UserError(f"unknown tagger: {name!r}. Expected one of {', '.join(TAGGER_NAMES)}.{hint}")


def _as_written(kind: str) -> str:
    return "spacy:NAME_OR_PATH, such as spacy:en_core_web_sm" if kind == "spacy" else kind
