"""Any Stanza pipeline with universal parts of speech, as a tagger, for some seventy languages.

Importing this module loads no Stanza; `StanzaTagger(...)` does. Models are not downloaded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tidemask.corpus.tagging.words import TaggedWords
from tidemask.corpus.words.spans import bounds_of
from tidemask.errors import UserError, missing_package, one_line
from tidemask.token_classes import NO_CLASS, UPOS

_CLASSES = {name: number for number, name in enumerate(UPOS)}


class StanzaTagger:
    """A Stanza pipeline's words with their universal parts of speech.

    The words of a multiword token are words where they spell it; else the token is one word, with
    the part of speech of its longest.

    Args:
        language: as Stanza calls it, such as `de`, with a package after a colon, such as `de:gsd`.

    Raises:
        UserError: Stanza or its model is missing.
    """

    class_names = UPOS

    def __init__(self, language: str) -> None:
        self.name = f"stanza:{language}"
        try:
            import stanza
        except ImportError as error:
            raise missing_package(f"tagger={self.name}", "Stanza", extra="stanza") from error
        code, _, package = language.partition(":")
        try:
            self._pipeline = stanza.Pipeline(
                code,
                processors="tokenize,mwt,pos",
                package=package or "default",
                download_method=None,
                use_gpu=False,
                verbose=False,
            )
        except Exception as error:  # Stanza raises many kinds for a model that is missing
            raise UserError(
                f"Stanza cannot load its model: tagger={self.name}: {one_line(error)}. Expected a "
                f'language with a model on this machine. Download it with `python -c "import '
                f"stanza; stanza.download('{code}')\"`."
            ) from error
        self.fingerprint = f"stanza {stanza.__version__}, {language}"

    def tag(self, texts: Sequence[str]) -> list[TaggedWords]:
        """The words of each text; a text's words do not depend on the other texts."""
        return [self._words(text) for text in texts]

    def _words(self, text: str) -> TaggedWords:
        found = [word for sentence in self._sentences(text) for word in _words_of(sentence)]
        starts, ends = bounds_of([(start, end) for start, end, _ in found])
        return TaggedWords(starts, ends, np.array([tag for _, _, tag in found], np.uint8))

    def _sentences(self, text: str) -> Sequence[Any]:
        sentences: Sequence[Any] = self._pipeline(text).sentences if text.strip() else ()
        return sentences


def _words_of(sentence: Any) -> Iterator[tuple[int, int, int]]:
    """Start, end and class of the words of a sentence of Stanza's."""
    for token in sentence.tokens:
        start, end = token.start_char, token.end_char
        if "".join(word.text for word in token.words) != token.text:
            longest = max(token.words, key=lambda word: len(word.text))
            yield start, end, _CLASSES.get(longest.upos, NO_CLASS)
            continue
        for word in token.words:
            yield start, start + len(word.text), _CLASSES.get(word.upos, NO_CLASS)
            start += len(word.text)
