"""Any spaCy pipeline that sets universal parts of speech, as a tagger.

Importing this module loads no spaCy; `SpacyTagger(...)` does. Only the components that lead to
`token.pos_` run: no parser, no entities, no lemmas.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.tagging.words import TaggedWords
from tidemask.errors import UserError, missing_package, one_line
from tidemask.files.paths import check_plain_files
from tidemask.token_classes import NO_CLASS, UPOS

_UNNEEDED = frozenset(
    {
        *("parser", "senter", "sentencizer", "lemmatizer", "trainable_lemmatizer"),
        *("ner", "beam_ner", "beam_parser", "entity_ruler", "entity_linker"),
        *("textcat", "textcat_multilabel", "spancat", "spancat_singlelabel", "span_ruler"),
    }
)
"""Factories of components that `token.pos_` does not depend on."""

_BATCH_TEXTS = 64
"""Texts per batch of `nlp.pipe`: documents of a few thousand words each stay within memory."""

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
        spacy = _import_spacy(pipeline)
        self.name = f"spacy:{pipeline}"
        self._nlp = _load_pipeline(spacy, pipeline)
        self._class_of = _class_table(spacy)
        self.fingerprint = _fingerprint(self._nlp, spacy.__version__, Path(pipeline))
        if not any(token.pos for token in self._nlp(_PROBE)):
            raise UserError(
                f"pipeline without parts of speech: {self.name} has the components "
                f"{self._nlp.pipe_names}. Expected one that sets token.pos_, such as a "
                "morphologizer. Choose another pipeline, or the tagger textblob."
            )

    def tag(self, texts: Sequence[str]) -> list[TaggedWords]:
        """The words of each text; a text's words do not depend on the other texts."""
        return [self._words(doc) for doc in self._nlp.pipe(texts, batch_size=_BATCH_TEXTS)]

    def _words(self, doc: Any) -> TaggedWords:
        columns = doc.to_array(["IDX", "LENGTH", "POS", "IS_SPACE"]).astype(np.int64)
        starts, lengths, pos, is_space = columns.reshape(-1, 4).T
        word = is_space == 0
        return TaggedWords(
            starts[word].astype(np.int32),
            (starts + lengths)[word].astype(np.int32),
            self._class_of[pos[word]],
        )


def _import_spacy(pipeline: str) -> ModuleType:
    try:
        import spacy
    except ImportError as error:
        raise missing_package(f"tagger=spacy:{pipeline}", "spaCy", extra="spacy") from error
    return spacy  # type: ignore[no-any-return, unused-ignore]  # spaCy may be absent


def _load_pipeline(spacy: ModuleType, pipeline: str) -> Any:  # spaCy's Language, if installed
    check_plain_files(Path(pipeline))
    try:
        nlp = spacy.load(pipeline)
    except OSError as error:
        installed = ", ".join(spacy.util.get_installed_models()) or "none"
        raise UserError(
            f"no such spaCy pipeline: tagger=spacy:{pipeline} is neither an installed pipeline nor "
            f"a directory of one. Installed: {installed}. Check the name or the path."
        ) from error
    except (ValueError, ImportError) as error:
        raise UserError(
            f"spaCy cannot load its pipeline: tagger=spacy:{pipeline}: {one_line(error)}"
        ) from error
    unneeded = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in _UNNEEDED]
    nlp.select_pipes(disable=unneeded)
    # Safe: the limit guards the memory of parser and entity recogniser, and neither runs here.
    nlp.max_length = 1_000_000_000
    return nlp


def _class_table(spacy: ModuleType) -> NDArray[np.uint8]:
    """Index into `UPOS` by spaCy's own number of a part of speech; `NO_CLASS` for none."""
    numbers: dict[str, int] = dict(spacy.parts_of_speech.IDS)
    table = np.full(max(numbers.values()) + 1, NO_CLASS, dtype=np.uint8)
    for index, tag in enumerate(UPOS):
        table[numbers[tag]] = index
    table[numbers["CONJ"]] = UPOS.index("CCONJ")  # its name in version 1 of the tags
    return table


def _fingerprint(nlp: Any, spacy_version: str, directory: Path) -> str:
    meta = nlp.meta
    named = f"spacy {spacy_version}, {meta['lang']}_{meta['name']} {meta['version']}"
    files = [directory / name for name in ("meta.json", "config.cfg")]
    present = [file for file in files if file.is_file()]
    if not present:
        return named
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in present)).hexdigest()
    return f"{named}, directory {digest[:16]}"
