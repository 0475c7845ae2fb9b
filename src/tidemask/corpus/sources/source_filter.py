"""How often each document of a listed source is used, and why others are left out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tidemask.corpus.sources.documents import OTHER_LANGUAGE, TOO_LONG, TOO_SHORT, Document
from tidemask.corpus.sources.language import LanguageFilter
from tidemask.corpus.sources.source_list import ListedSource
from tidemask.corpus.units import count_words
from tidemask.errors import UserError, shortened

_BEYOND = "beyond the passes"

_MAX_LANGUAGES = 5
"""Other languages that a note names at most."""


class SourceFilter:
    """The documents of a source with their passes, or with the reason why they are left out.

    What a part of a pass leaves out is not in the stream at all.

    Attributes:
        note: how many the last pass left out, a sentence; `None` where there were none.
    """

    def __init__(self, source: ListedSource, place: str) -> None:
        """Filter by what a source says of itself.

        Args:
            source: that of the documents.
            place: what messages call it.

        Raises:
            UserError: as `LanguageFilter`.
        """
        self._source = source
        self._language = (
            None
            if source.language is None
            else LanguageFilter(source.language, source.language_threshold, place)
        )
        self.note: str | None = None

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Stream them.

        Raises:
            UserError: nothing of the source is left.
        """
        counts: Counter[str] = Counter()
        num_kept = 0
        num_in_bounds = 0
        for document in documents:
            if not document.text or document.text.isspace():
                yield document  # empty, whatever else it would be
                continue
            reason = self._outside_bounds(document.text)
            if not reason and self._language is not None:
                if not self._language.keeps(num_in_bounds, document.text):
                    reason = OTHER_LANGUAGE
                num_in_bounds += 1
            if reason:
                counts[reason] += 1
                yield replace(document, left_out=reason)
            elif passes := self._passes(document.text):
                num_kept += 1
                yield replace(document, passes=passes)
            else:
                counts[_BEYOND] += 1
        self.note = self._note(counts)
        if not num_kept:
            raise UserError(
                f"nothing of source {self._source.name} is left. {self.note} Choose others."
            )

    def _outside_bounds(self, text: str) -> str:
        """Why the length of a text leaves it out; empty if it does not."""
        source = self._source
        if not source.min_words and source.max_words is None:
            return ""
        words = count_words(text)
        if words < source.min_words:
            return TOO_SHORT
        return TOO_LONG if source.max_words is not None and words > source.max_words else ""

    def _passes(self, text: str) -> int:
        """How often a text is used; 0 leaves it out."""
        whole, part = divmod(self._source.passes, 1)
        return int(whole) + (part > 0 and _place(text) < part)

    def _note(self, counts: Counter[str]) -> str | None:
        source = self._source
        reasons = {
            TOO_SHORT: f"of fewer than {source.min_words:,} words between white space",
            TOO_LONG: f"of more than {source.max_words or 0:,} words between white space",
            OTHER_LANGUAGE: f"in another language than {source.language}{self._found()}",
            _BEYOND: f"beyond {source.passes:g} passes",
        }
        listed = [f"{counts[reason]:,} {why}" for reason, why in reasons.items() if counts[reason]]
        return f"Documents of {source.name} left out: {', '.join(listed)}." if listed else None

    def _found(self) -> str:
        """The languages that were found instead, most frequent first."""
        if self._language is None or not self._language.others:
            return ""
        counted = [f"{code} {n:,}" for code, n in self._language.others.most_common()]
        return f" (found: {shortened(counted, _MAX_LANGUAGES)})"


def _place(text: str) -> float:
    """The hash of a text as a number in [0, 1), independent of that by which texts are held out."""
    encoded = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(encoded, digest_size=8, person=b"passes").digest()
    return int.from_bytes(digest, "big") / 2**64
