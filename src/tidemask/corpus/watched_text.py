"""Documents that a tagger, or the check of its language, looks at when they are first read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from tidemask.corpus.sources.documents import Document
from tidemask.corpus.splitting.plan import Documents
from tidemask.corpus.tagging.english_check import english_check
from tidemask.corpus.tagging.given_tags import GivenTagger
from tidemask.corpus.tagging.words import Tagger


def watched(
    documents: Documents, tagger: Tagger | GivenTagger | None
) -> tuple[Documents, Callable[[], Sequence[str]]]:
    """The documents, and what to call when all were read once: it returns notes for the user.

    The tags of the input are collected, or the language is checked, where the tagger needs it.

    Raises:
        UserError: when documents are read, one has no words with tags; at the call, the text is in
            another language than the tagger's, or has too many different tags.
    """
    watching = tagger if isinstance(tagger, GivenTagger) else english_check(tagger)
    if watching is None:
        return documents, tuple
    see: Callable[..., None] = watching.see
    seen_of = attrgetter("words" if isinstance(tagger, GivenTagger) else "text", "source")

    def stream() -> Iterator[Document]:
        for document in documents():
            yield document  # whoever reads it checks it first
            if not document.left_out:
                see(*seen_of(document))

    return stream, watching.judge
