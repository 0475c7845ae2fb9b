"""English prose that every installation carries, as a corpus for the demonstration.

It is taken from Python itself: its help topics, and the docstrings and comments of its standard
library, some 140,000 words. One version of Python gives the same documents on every machine;
another gives others, so a corpus made of them is known by its fingerprint.

Whole packages are held out, and what they share with the others is dropped from them: nothing of
the held-out text is in the training text.
"""

from __future__ import annotations

import gc
import hashlib
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby
from operator import attrgetter

from tidemask.corpus.demo_text.prose import prose_paragraphs
from tidemask.corpus.demo_text.python_sources import comments, docstrings, python_sources
from tidemask.corpus.demo_text.shared_shingles import NearDuplicateFilter
from tidemask.corpus.sources.documents import Document
from tidemask.progress import ProgressCallback, ignore, reported

MIN_HELD_OUT_SHARE = 0.06
MAX_HELD_OUT_SHARE = 0.09
"""Bounds of the share of the words in the packages held out."""

SMALL_PACKAGE_SHARE = 0.04
"""Share of the words up to which a package is held out in preference to larger ones."""

MAX_LEAKED_SHARE = 0.1
"""Maximum share of its 8-word shingles that a held-out paragraph may have in the training text."""

DOCUMENT_WORDS = 400
"""Minimum words of a document; the paragraph that completes it stays whole."""

_HELP_TOPICS = "pydoc_data"


@dataclass(frozen=True)
class Passage:
    """The prose of one source file, or of one help topic.

    Attributes:
        package: the package it belongs to.
        path: its place within the packages.
        paragraphs: its paragraphs in order, each on one line.
    """

    package: str
    path: str
    paragraphs: tuple[str, ...]

    @property
    def num_words(self) -> int:
        """White-space separated words."""
        return sum(len(paragraph.split()) for paragraph in self.paragraphs)


def demo_documents(on_progress: ProgressCallback = ignore) -> list[Document]:
    """The documents of the demonstration, in order of package; paragraphs are lines.

    A document's source is the name of its package.

    Args:
        on_progress: called for each source file.
    """
    passages = sorted(_new_passages(on_progress), key=attrgetter("package", "path"))
    held_out = held_out_packages(passages)
    passages = _without_leaks(passages, held_out)
    return [
        Document(text, package, package in held_out)
        for package, group in groupby(passages, key=attrgetter("package"))
        for text in _texts(group)
    ]


def held_out_packages(passages: Iterable[Passage]) -> frozenset[str]:
    """The packages to hold out: some, by the hash of their names, of 6 to 9 % of the words.

    Small packages come first, so that the held-out text is of many kinds; a package that would
    make it more than `MAX_HELD_OUT_SHARE` is skipped.
    """
    words: Counter[str] = Counter()
    for passage in passages:
        words[passage.package] += passage.num_words

    def rank(package: str) -> tuple[bool, bytes]:
        is_large = words[package] > SMALL_PACKAGE_SHARE * words.total()
        return is_large, hashlib.sha256(package.encode()).digest()

    chosen: set[str] = set()
    num_words = 0
    for package in sorted(words, key=rank):
        if num_words >= MIN_HELD_OUT_SHARE * words.total():
            break
        if num_words + words[package] <= MAX_HELD_OUT_SHARE * words.total():
            chosen.add(package)
            num_words += words[package]
    return frozenset(chosen)


def _new_passages(on_progress: ProgressCallback) -> Iterator[Passage]:
    """Passages without near-duplicates of what stands before them."""
    fresh = NearDuplicateFilter()
    with _collector_paused():
        for passage in _passages(on_progress):
            new = tuple(filter(fresh.is_new, passage.paragraphs))
            if new:
                yield replace(passage, paragraphs=new)


def _passages(on_progress: ProgressCallback) -> Iterator[Passage]:
    for name, text in sorted(_help_topics().items()):
        paragraphs = tuple(prose_paragraphs(inspect.cleandoc(text)))
        yield Passage(_HELP_TOPICS, f"topics/{name}", paragraphs)
    files = python_sources()
    for file in reported(files, on_progress, "reading Python's documentation", len(files)):
        try:
            source = file.location.read_bytes()
        except OSError:
            continue
        texts = chain(docstrings(source), comments(source))
        paragraphs = tuple(chain.from_iterable(map(prose_paragraphs, texts)))
        yield Passage(file.package, file.path, paragraphs)


def _without_leaks(passages: list[Passage], held_out: frozenset[str]) -> list[Passage]:
    """The passages without the held-out paragraphs that share too much with the others."""
    known = NearDuplicateFilter(max_shared_share=MAX_LEAKED_SHARE)
    for passage in passages:
        if passage.package not in held_out:
            for paragraph in passage.paragraphs:
                known.remember(paragraph)
    cleaned = (
        replace(passage, paragraphs=tuple(filter(known.is_new, passage.paragraphs)))
        if passage.package in held_out
        else passage
        for passage in passages
    )
    return [passage for passage in cleaned if passage.paragraphs]


def _texts(passages: Iterable[Passage]) -> Iterator[str]:
    """Paragraphs of one package, joined to documents of `DOCUMENT_WORDS` or a little more."""
    paragraphs: list[str] = []
    num_words = 0
    for passage in passages:
        for paragraph in passage.paragraphs:
            paragraphs.append(paragraph)
            num_words += len(paragraph.split())
            if num_words >= DOCUMENT_WORDS:
                yield "\n".join(paragraphs)
                paragraphs, num_words = [], 0
    if paragraphs:
        yield "\n".join(paragraphs)


def _help_topics() -> dict[str, str]:
    """Python's help topics; empty where the distribution leaves them out."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return {}
    return topics


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the cyclic garbage collector, which doubles the time that parsing takes.

    Syntax trees hold no cycles; they are freed with the last reference to them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
