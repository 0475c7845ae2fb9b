"""Any spaCy pipeline that sets universal parts of speech, as a tagger.

Importing this module loads no spaCy; `SpacyTagger(...)` does. Only the components that lead to
`token.pos_` run: no parser, no entities, no lemmas.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.tagging.spacy_pipeline import (
    BATCH_TEXTS,
    import_spacy,
    load_pipeline,
    pipeline_fingerprint,
)
from tidemask.corpus.tagging.words import TaggedWords
from tidemask.errors import UserError
from tidemask.token_classes import NO_CLASS, UPOS

_UNNEEDED = frozenset(
    {
        *("parser", "senter", "sentencizer", "lemmatizer", "trainable_lemmatizer"),
        *("ner", "beam_ner", "beam_parser", "entity_ruler", "entity_linker"),
        *("textcat", "textcat_multilabel", "spancat", "spancat_singlelabel", "span_ruler"),
    }
)
"""Factories of components that `token.pos_` does not depend on."""

_PROBE = "The old man saw 3 small boats , and she sang ."
"""English words of many kinds: a pipeline that tags none of them sets no parts of speech."""


class SpacyTagger:
    """A spaCy pipeline's words with their universal parts of speech; white space is left out.

    Args:
        pipeline: name of an installed pipeline, or the directory of one.

    Raises:
        UserError: spaCy is missing, there is no such pipeline, or it sets no parts of speech.
    """

    class_names = UPOS

    def __init__(self, pipeline: str) -> None:
        self.name = f"spacy:{pipeline}"
        spacy = import_spacy(f"tagger={self.name}")
        self._nlp = load_pipeline(spacy, pipeline, f"tagger={self.name}", unneeded=_UNNEEDED)
        self._class_of = _class_table(spacy)
        self.fingerprint = pipeline_fingerprint(spacy, self._nlp, pipeline)
        if not any(token.pos for token in self._nlp(_PROBE)):
            raise UserError(
                f"pipeline without parts of speech: {self.name} has the components "
                f"{self._nlp.pipe_names}. Expected one that sets token.pos_, such as a "
                "morphologizer. Choose another pipeline, or the tagger textblob."
            )

    def tag(self, texts: Sequence[str]) -> list[TaggedWords]:
        """The words of each text; a text's words do not depend on the other texts."""
        return [self._words(doc) for doc in self._nlp.pipe(texts, batch_size=BATCH_TEXTS)]

    def _words(self, doc: Any) -> TaggedWords:
        columns = doc.to_array(["IDX", "LENGTH", "POS", "IS_SPACE"]).astype(np.int64)
        starts, lengths, pos, is_space = columns.reshape(-1, 4).T
        word = is_space == 0
        return TaggedWords(
            starts[word].astype(np.int32),
            (starts + lengths)[word].astype(np.int32),
            self._class_of[pos[word]],
        )


def _class_table(spacy: ModuleType) -> NDArray[np.uint8]:
    """Index into `UPOS` by spaCy's own number of a part of speech; `NO_CLASS` for none."""
    numbers: dict[str, int] = dict(spacy.parts_of_speech.IDS)
    table = np.full(max(numbers.values()) + 1, NO_CLASS, dtype=np.uint8)
    for index, tag in enumerate(UPOS):
        table[numbers[tag]] = index
    table[numbers["CONJ"]] = UPOS.index("CCONJ")  # its name in version 1 of the tags
    return table
