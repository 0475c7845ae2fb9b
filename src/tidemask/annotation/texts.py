"""The texts of a corpus' documents, read again from its sources in order, and their tokens' places.

The text is tokenised once more, which says where each token stands in it; the ids have to be those
of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from tidemask.annotation.source import DocumentTokens
from tidemask.corpus.again import recorded_settings, recorded_text
from tidemask.corpus.long_documents import part_ends
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.splitting.few_documents import passages
from tidemask.corpus.store.corpus import TRAIN, PreparedCorpus
from tidemask.corpus.tokenizing.tokenizer import EncodedText, PlainTextEncoder
from tidemask.errors import UserError


class _Listed(NamedTuple):
    """Where a document of the table comes from."""

    number: int
    source: str
    place: int
    split: str


@dataclass(frozen=True)
class TextOfDocument:
    """The text of a document of the corpus.

    Attributes:
        number: of the document.
        source: the file that it comes from.
        place: where in its source it begins, from 1.
        text: its characters.
    """

    number: int
    source: str
    place: int
    text: str


def document_texts(corpus: PreparedCorpus, split: str) -> Iterator[TextOfDocument]:
    """The texts of the documents of a split, in order; no more than one document is in memory.

    Raises:
        UserError: the corpus is of an earlier version, its text came from a program or from
            standard input, or a file is gone or has changed.
    """
    settings = recorded_settings(corpus.manifest, corpus.root, workers=1)
    with recorded_text(corpus.manifest, (), settings) as found:
        stream = iter(found.documents())
        for (source, place, _), group in groupby(_places(corpus), _same_text):
            places = list(group)
            whole = _next_of(stream, source, place)
            for each, text in zip(places, _parts(places, whole), strict=True):
                if each.split == split:
                    yield TextOfDocument(each.number, source, place, text)


def _places(corpus: PreparedCorpus) -> Iterator[_Listed]:
    """All documents of the corpus, in the order of their numbers."""
    files, number = corpus.documents.files, 0
    for index in range(len(files.paths)):
        table = files.read(index)
        columns = (table.column(name).to_pylist() for name in ("source", "place", "split"))
        for row in zip(*columns, strict=True):
            yield _Listed(number, *row)
            number += 1


def _same_text(place: _Listed) -> tuple[str, int, int]:
    """What documents of one text have in common; where the place is unknown, each has its own."""
    return place.source, place.place, -1 if place.place else place.number


def _next_of(stream: Iterator[Document], source: str, place: int) -> Document:
    for document in stream:
        if (document.source, document.place) == (source, place):
            return document
    raise UserError(
        f"no text: {source} has no document at place {place} where the corpus has it. Expected the "
        "text that the corpus was made from. Restore the file."
    )


def _parts(places: Sequence[_Listed], whole: Document) -> list[str]:
    """The text of each document that is of one text: as often as it has passes, or its passages."""
    repeats = [whole.passes if each.split == TRAIN else 1 for each in places]
    parts: list[int] = []  # the number of the part of each document
    while len(parts) < len(places):
        number = parts[-1] + 1 if parts else 0
        parts += [number] * repeats[len(parts)]
    if parts[-1] == 0:
        return [whole.text] * len(places)
    found = passages(whole.text)
    if len(found) != parts[-1] + 1 or len(parts) != len(places):
        raise UserError(
            f"no text: {whole.source} has {len(found)} passages, and the corpus {parts[-1] + 1} of "
            "them. Expected as many, but copies among them were left out."
        )
    return [found[number] for number in parts]


def with_texts(
    documents: Sequence[DocumentTokens], texts: Sequence[TextOfDocument], encoder: PlainTextEncoder
) -> list[DocumentTokens]:
    """The documents with their texts, and the places of their tokens in them.

    Raises:
        UserError: a text has other tokens than the corpus.
    """
    parts = [[text.text[a:b] for a, b in pairwise([0, *part_ends(text.text)])] for text in texts]
    encoded = iter(encoder.encode([part for of_text in parts for part in of_text]))
    placed = []
    for document, text, of_text in zip(documents, texts, parts, strict=True):
        joined = _joined([(part, next(encoded)) for part in of_text])
        if document.number != text.number or not np.array_equal(joined.ids, document.ids):
            raise UserError(
                f"text changed: {text.source}, place {text.place}, has other tokens than document "
                f"{document.number} of the corpus. Expected the same text and the same version of "
                "the tokenizer library. Restore the text, or prepare it again."
            )
        placed.append(
            replace(document, text=text.text, starts=joined.starts, ends=joined.ends,
                    source=text.source, place=text.place)
        )  # fmt: skip
    return placed


def _joined(parts: Sequence[tuple[str, EncodedText]]) -> EncodedText:
    """The tokens of parts of a text as those of the whole."""
    before = np.cumsum([0, *(len(text) for text, _ in parts)])
    return EncodedText(
        np.concatenate([part.ids for _, part in parts]),
        np.concatenate([p.starts + n for (_, p), n in zip(parts, before, strict=False)]),
        np.concatenate([p.ends + n for (_, p), n in zip(parts, before, strict=False)]),
        np.concatenate([part.word_starts for _, part in parts]),
    )
