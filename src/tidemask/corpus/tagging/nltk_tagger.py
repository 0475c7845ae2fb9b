"""NLTK's tagger for English, an averaged perceptron, with the universal tags of our own rules.

Importing this module loads no NLTK; `NltkTagger()` does. Its model is data that NLTK downloads, and
that is not done here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tidemask.corpus.tagging.textblob_tagger import WORD
from tidemask.corpus.tagging.upos_rules import (
    BOUNDARY,
    KIND_INDEX,
    PENN_KIND,
    closed_kind,
    disambiguate,
)
from tidemask.corpus.tagging.words import TaggedWords
from tidemask.corpus.words.spans import bounds_of
from tidemask.errors import UserError
from tidemask.token_classes import UPOS

_DATA = "averaged_perceptron_tagger_eng"


class NltkTagger:
    """English words, as the embedded tagger cuts them, with NLTK's tags mapped to universal ones.

    Raises:
        UserError: NLTK's data is missing.
    """

    class_names = UPOS

    def __init__(self, name: str = "nltk") -> None:
        import nltk

        self.name = name
        self._tag = nltk.pos_tag
        try:
            self._tag(["word"])
        except LookupError as error:
            raise UserError(
                f"NLTK without its model: tagger=nltk needs the data {_DATA}, which is not on this "
                f"machine. Download it with `python -m nltk.downloader {_DATA}`."
            ) from error
        self.fingerprint = f"nltk {nltk.__version__}, {_DATA}, rules 1"

    def tag(self, texts: Sequence[str]) -> list[TaggedWords]:
        """The words of each text; a text's words do not depend on the other texts."""
        return [self._words(text) for text in texts]

    def _words(self, text: str) -> TaggedWords:
        spans = [match.span() for match in WORD.finditer(text)]
        tagged = self._tag([text[start:end] for start, end in spans])
        kinds = [KIND_INDEX[_kind(word, penn)] for word, penn in tagged]
        classes = disambiguate(np.array([*kinds, BOUNDARY], np.uint8))[:-1]
        return TaggedWords(*bounds_of(spans), classes)


def _kind(word: str, penn: str) -> str:
    return closed_kind(word) or PENN_KIND.get(penn, "X")
