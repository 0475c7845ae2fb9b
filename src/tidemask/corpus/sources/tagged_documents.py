"""Sentences of tagged words to documents: their text put together, with the places of the words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tidemask.corpus.sources.borders import MAX_DOCUMENT_CHARACTERS
from tidemask.corpus.sources.documents import Document
from tidemask.corpus.words.spans import GivenWords, bounds_of
from tidemask.errors import UserError


@dataclass(frozen=True)
class SurfaceToken:
    """What stands between two places where words meet in the text.

    Attributes:
        text: its characters.
        words: form and tag of each word in it, of which there is one or more.
        space_after: whether a space follows.
    """

    text: str
    words: tuple[tuple[str, str], ...]
    space_after: bool = True


@dataclass(frozen=True)
class GivenSentence:
    """One sentence of a file with words and tags.

    Attributes:
        tokens: of it, at least one.
        line: where it begins, from 1.
        begins_document: whether a document begins with it.
        begins_paragraph: whether a paragraph does.
    """

    tokens: tuple[SurfaceToken, ...]
    line: int
    begins_document: bool = False
    begins_paragraph: bool = False


def documents_of_sentences(sentences: Iterable[GivenSentence], source: str) -> Iterator[Document]:
    """The documents of a file; one alone where no sentence begins another.

    Sentences are joined by a space, or by nothing where neither side has one (Chinese and the
    like), and paragraphs by a line end.
    """
    held = _HeldDocument(source)
    for sentence in sentences:
        if sentence.begins_document and held.parts:
            yield held.taken()
        held.add(sentence)
    if held.parts:
        yield held.taken()


@dataclass
class _HeldDocument:
    """The text of a document that is not finished, and its words."""

    source: str
    parts: list[str] = field(default_factory=list)
    _spans: list[tuple[int, int]] = field(default_factory=list)
    _tags: list[str] = field(default_factory=list)
    _length: int = 0
    _line: int = 0
    _ends_in_space: bool = True

    def add(self, sentence: GivenSentence) -> None:
        """Add a sentence after those before."""
        if not self.parts:
            self._line = sentence.line
        elif sentence.begins_paragraph:
            self._append("\n")
        elif self._ends_in_space or not _joins(self.parts[-1], sentence.tokens[0].text):
            self._append(" ")
        for number, token in enumerate(sentence.tokens, start=1):
            for start, end, tag in _words_within(token):
                self._spans.append((self._length + start, self._length + end))
                self._tags.append(tag)
            self._append(token.text)
            if token.space_after and number < len(sentence.tokens):
                self._append(" ")
        self._ends_in_space = sentence.tokens[-1].space_after

    def taken(self) -> Document:
        """The document; none is held then."""
        words = GivenWords(*bounds_of(self._spans), tuple(self._tags))
        document = Document("".join(self.parts), self.source, place=self._line, words=words)
        self.parts, self._spans, self._tags, self._length = [], [], [], 0
        return document

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self._length += len(text)
        if self._length > MAX_DOCUMENT_CHARACTERS:
            raise UserError(
                f"document too long: {self.source}, from line {self._line:,} on it has more than "
                f"{MAX_DOCUMENT_CHARACTERS:,} characters. Expected shorter ones. Say where "
                "documents begin: by `# newdoc` in CoNLL-U, by -DOCSTART- elsewhere."
            )


def _joins(before: str, after: str) -> bool:
    """Whether nothing stands between two sentences that have no space: neither is of ASCII."""
    return not (before[-1].isascii() or after[0].isascii())


def _words_within(token: SurfaceToken) -> list[tuple[int, int, str]]:
    """Start, end and tag of the words in a token.

    Words that do not spell the token, as de and le in French `du`, are one, with the tag of the
    longest, which is the first of several as long.
    """
    if "".join(form for form, _ in token.words) != token.text:
        _, tag = max(token.words, key=lambda word: len(word[0]))
        return [(0, len(token.text), tag)]
    found, place = [], 0
    for form, tag in token.words:
        found.append((place, place + len(form), tag))
        place += len(form)
    return found
