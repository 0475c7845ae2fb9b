"""Whether a text is in one language: for sources from which texts in other languages are left out.

`py3langid` tells 140 languages apart by the frequencies of short runs of bytes. Its model lies in
the package, so it works without a network. lingua was compared: it makes fewer mistakes in texts
of a few words, but takes ten times as long, and 1.2 GB of memory, where this takes 120 MB
(`benchmarks/preparing/languages.py`).
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

from tidemask.errors import UserError, did_you_mean, missing_package

LOOKED_AT_CHARACTERS = 4096
"""Of the beginning of a text."""


class LanguageFilter:
    """Keeps the texts in a language; what was found out of a text is remembered, a byte each.

    Attributes:
        others: how many texts are in which other language; those that are in this one below the
            threshold count to it.
    """

    def __init__(self, language: str, threshold: float, place: str) -> None:
        """For a stream of texts.

        Args:
            language: code of ISO 639, such as "de".
            threshold: probability of the language from which on a text is in it, in [0, 1].
            place: what asks for the language, for messages.

        Raises:
            UserError: the language is not known, or `py3langid` is not installed.
        """
        self._identifier = _identifier(place, language)
        if language not in (known := self._identifier.labels):
            raise UserError(
                f"unknown language: language={language} of {place}. Expected one of the "
                f"{len(known)} that py3langid knows, such as ar, de, en or zh."
                f"{did_you_mean(language, known)}"
            )
        self._language, self._threshold = language, threshold
        self._kept = bytearray()
        self.others: Counter[str] = Counter()

    def keeps(self, number: int, text: str) -> bool:
        """Whether a text is in the language, more likely than in any other.

        Args:
            number: of the text in the stream, from 0. When the stream comes once more, the text of
                a number is not looked at again.
            text: its beginning is looked at.
        """
        if number == len(self._kept):
            found, probability = self._identifier.classify(text[:LOOKED_AT_CHARACTERS])
            is_kept = found == self._language and probability >= self._threshold
            self._kept.append(is_kept)
            if not is_kept:
                self.others[found] += 1
        return bool(self._kept[number])


def _identifier(place: str, language: str) -> Any:
    """The identifier of `py3langid`, whose package has no types; it is read once a process."""
    try:
        return _read_identifier()
    except ImportError as error:
        raise missing_package(
            f"language: {language} of {place}", "py3langid", extra="language"
        ) from error


@cache
def _read_identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
