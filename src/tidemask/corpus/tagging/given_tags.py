"""Tags that the input has itself, in CoNLL-U or another file of columns, in place of a tagger.

Nothing is tagged here: the words of documents come with their tags (`Document.words`), and the tags
that occur become classes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from tidemask.corpus.tagging.words import TaggedWords
from tidemask.corpus.words.spans import NO_TAG, GivenWords
from tidemask.errors import UserError
from tidemask.token_classes import NO_CLASS, UPOS

TagColumn = Literal["upos", "xpos"]
"""A column of CoNLL-U that tags are read from."""

_NAME = re.compile(
    r"conllu(?::(?P<kind>upos|xpos))?|column(?::(?P<tag>-?\d{1,4})(?::(?P<word>-?\d{1,4}))?)?"
)


@dataclass(frozen=True)
class GivenTags:
    """Where files have words and tags.

    Attributes:
        name: what it is made from.
        conllu: the column of CoNLL-U; `None` for files of other columns.
        tag: column of the tag, from 0, or from the end if negative.
        word: column of the word, the same.
    """

    name: str
    conllu: TagColumn | None = None
    tag: int = -1
    word: int = 0

    @classmethod
    def named(cls, tagger: str) -> GivenTags | None:
        """Those of the name of a tagger; `None` where it is another kind.

        Example:
            >>> GivenTags.named("column:3")
            GivenTags(name='column:3', conllu=None, tag=3, word=0)
            >>> GivenTags.named("conllu").conllu
            'upos'
        """
        found = _NAME.fullmatch(tagger)
        if found is None:
            return None
        if tagger.startswith("conllu"):
            return cls(tagger, cast(TagColumn, found["kind"] or "upos"))
        return cls(tagger, None, int(found["tag"] or -1), int(found["word"] or 0))


class GivenTagger:
    """The words and tags of documents, with the tags as classes.

    The classes are the universal parts of speech for `conllu`; else the tags that `see` was given,
    in the order of the alphabet.
    """

    def __init__(self, tags: GivenTags) -> None:
        self.name = tags.name
        self._digest: Any = hashlib.sha256()
        self._is_judged = False
        self._seen: set[str] | None = None if tags.conllu == "upos" else set()
        self._numbers: dict[str, int] = {}

    @property
    def fingerprint(self) -> str:
        """Names the tags, where they come from and those of the documents until `judge`."""
        return f"tags of the text, {self.name}, {self._digest.hexdigest()[:16]}"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their indices, of all documents so far.

        Raises:
            UserError: there are too many.
        """
        if self._seen is None:
            return UPOS
        names = tuple(sorted(self._seen - {NO_TAG}))
        if len(names) > NO_CLASS:
            raise UserError(
                f"too many classes: {len(names):,} different tags, such as {names[0]!r} and "
                f"{names[-1]!r} (tagger={self.name}). Expected {NO_CLASS} at most. Name another "
                "column."
            )
        return names

    def see(self, words: GivenWords | None, source: str) -> None:
        """Take note of the tags of a document, until `judge`.

        Raises:
            UserError: it has no words.
        """
        words = self._checked(words, source)
        if self._is_judged:
            return
        for part in (words.starts, words.ends, "\0".join(words.tags).encode()):
            self._digest.update(part)
        if self._seen is not None:
            self._seen.update(words.tags)

    def judge(self) -> list[str]:
        """No more tags will be seen; no notes.

        Raises:
            UserError: there are too many different ones.
        """
        self._is_judged = True
        self._numbers = {name: number for number, name in enumerate(self.class_names)}
        return []

    def _checked(self, words: GivenWords | None, source: str) -> GivenWords:
        if words is None:
            raise UserError(
                f"text without words and tags: {source}, and tagger={self.name}. Expected CoNLL-U "
                "files (.conllu), or files with a word and its tag on each line (column:TAG). Give "
                "such files alone, or name a tagger (--tagger)."
            )
        return words

    def tagged(self, words: GivenWords | None, source: str) -> TaggedWords:
        """The words of a document with their classes, after `judge`.

        Raises:
            UserError: it has none.
        """
        words = self._checked(words, source)
        numbers = (self._numbers.get(tag, NO_CLASS) for tag in words.tags)
        classes = np.fromiter(numbers, np.uint8)
        return TaggedWords(words.starts, words.ends, classes)
