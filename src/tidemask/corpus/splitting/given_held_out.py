"""Two streams of documents as one: those that are held out, and those to train on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tidemask.corpus.sources.documents import Document
from tidemask.corpus.splitting.plan import Documents


@dataclass(frozen=True)
class GivenHeldOut:
    """The documents of both streams, each of which says which split it belongs to.

    Example:
        >>> from tidemask.corpus.sources.documents import Document
        >>> here, there = Document("one", "here"), Document("two", "there")
        >>> [document.held_out for document in GivenHeldOut([here].copy, [there].copy)()]
        [True, False]
    """

    training: Documents
    held_out: Documents

    def __call__(self) -> Iterator[Document]:
        """Stream the held-out documents, then those to train on."""
        for documents, is_held_out in ((self.held_out, True), (self.training, False)):
            for document in documents():
                yield replace(document, held_out=is_held_out)
