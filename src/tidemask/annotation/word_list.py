"""A list of words and phrases as a source: each token of one that is found has its value.

Phrases are looked for word by word in what the tokens of words spell, so texts are not read. Of two
that overlap the one that begins first is found, and of two that begin together the longer one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tidemask.annotation.document_words import DocumentWords
from tidemask.annotation.listed_phrases import ListedPhrase, read_phrases
from tidemask.annotation.phrase_table import NO_WORD, PhraseTable, SpeltWords
from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.corpus.tokenizing.loading import load_tokenizer
from tidemask.corpus.tokenizing.tokenizer import EncodedText, PlainTextEncoder
from tidemask.corpus.words.boundaries import OF_TEXT
from tidemask.files.paths import given_path
from tidemask.reading.text import first_of
from tidemask.token_classes import COLUMN_FORMS, ColumnKind


@dataclass(frozen=True)
class WordList:
    """The words and phrases of a file.

    Attributes:
        path: of the file.
        kind: "class", "group" or "weight".
        class_names: labels of the file, in the order of the alphabet.
        phrases: those that it lists, with the value of each.
        encoder: of the corpus.
        unknown_id: of its unknown token; `None` if there is none.
        fingerprint: of the list.
    """

    path: Path
    kind: ColumnKind
    class_names: tuple[str, ...]
    phrases: tuple[ListedPhrase, ...]
    encoder: PlainTextEncoder
    unknown_id: int | None
    fingerprint: str
    reads_texts: bool = False
    max_workers: int | None = None
    _spelt: SpeltWords = field(default_factory=SpeltWords, compare=False, repr=False)

    @classmethod
    def of(cls, request: SourceRequest) -> WordList:
        """The list in the file that is the argument.

        Raises:
            UserError: the file cannot be read, is empty, or has a line that is not right.
        """
        kind = request.kind_among("class", "group", "weight")
        path = given_path(request.argument, "source")
        class_names, phrases = read_phrases(
            path, kind, label=request.column, on_note=request.on_note
        )
        if num_again := len(set(phrases)) - len({phrase.text for phrase in phrases}):
            request.on_note(
                f"Words or phrases that {path} lists again with another label or weight: "
                f"{num_again:,}. The first counts."
            )
        digest = hashlib.sha256(repr((kind, class_names, phrases)).encode()).hexdigest()
        tokenizer = load_tokenizer(request.corpus.tokenizer_directory)
        encoder, unknown_id = tokenizer.encoder(), tokenizer.unknown_id
        found = cls(path, kind, class_names, phrases, encoder, unknown_id, f"list {digest}")
        if unknown := found._unspelt():
            request.on_note(
                f"{len(unknown):,} of the {len(phrases):,} words and phrases of {path} cannot be "
                "found: the tokenizer of the corpus has no entries for some of their letters "
                f"({first_of(unknown)})."
            )
        return found

    @property
    def num_entries(self) -> int:
        """Phrases that are listed."""
        return len(self.phrases)

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[Any]]:
        """The value of each token, `NO_CLASS`, `NO_GROUP` or 0 where nothing is found."""
        return self.values_and_found(documents)[0]

    def values_and_found(
        self, documents: Sequence[DocumentTokens]
    ) -> tuple[Sequence[NDArray[Any]], NDArray[np.int64]]:
        """The values, and the numbers of the phrases that are found: of twins, of the first."""
        dtype, none = COLUMN_FORMS[self.kind]
        words = DocumentWords.of(documents)
        numbers = self._numbers_of(words, np.concatenate([each.ids for each in documents]))
        is_word = numbers[:, 0] != NO_WORD
        starts, ends = words.starts[is_word], (words.starts + words.sizes)[is_word]
        written, folded = numbers[is_word].T
        found = self._table.found(written, folded, words.document[is_word])
        sizes = ends[found.last] - starts[found.begin]
        begins = starts[found.begin] - np.cumsum(sizes) + sizes  # less the tokens found before
        values = np.full(words.sizes.sum(), none, dtype)
        phrases = found.value.astype(np.int64)
        of_found = np.arange(len(sizes)) if self.kind == "group" else self._values[phrases]
        values[np.repeat(begins, sizes) + np.arange(sizes.sum())] = np.repeat(of_found, sizes)
        return np.split(values, np.cumsum(words.document_tokens)[:-1]), np.unique(phrases)

    def note_on(self, found: NDArray[np.bool_]) -> str | None:
        """Which phrases were found nowhere, though the tokenizer can spell them."""
        number, twin = self._tables.twins.T
        is_known = np.ones(len(self.phrases), np.bool_)
        is_known[number] = False
        np.logical_or.at(is_known, number, found[twin])
        absent = list(dict.fromkeys(self.phrases[n].text for n in np.flatnonzero(~is_known)))
        if not absent:
            return None
        return (
            f"{len(absent):,} of the {len(self.phrases):,} words and phrases of {self.path} are "
            "found nowhere in the corpus, or only within other phrases of the list: "
            f"{first_of(absent)}."
        )

    def _unspelt(self) -> list[str]:
        """The phrases that the tokenizer cannot spell."""
        spelt = set(self._tables.twins[:, 0].tolist())
        return [phrase.text for n, phrase in enumerate(self.phrases) if n not in spelt]

    def _numbers_of(self, words: DocumentWords, ids: NDArray[Any]) -> NDArray[np.int64]:
        """Two numbers for each word, [W, 2]: as it is written, and in small letters.

        Each different word is spelt once.
        """
        keys, first, inverse = np.unique(words.keys, return_index=True, return_inverse=True)
        new = self._spelt.missing(keys)
        starts, sizes = words.starts[first[new]].tolist(), words.sizes[first[new]].tolist()
        spellings = self.spellings(
            [ids[start : start + size].tolist() for start, size in zip(starts, sizes, strict=True)]
        )
        self._spelt.add(keys[new], [self._table.numbers_of(word) for word in spellings])
        return self._spelt.of(keys)[inverse]

    @cached_property
    def _backend(self) -> Tokenizer:
        return Tokenizer.from_str(self.encoder.serialised)

    @cached_property
    def _values(self) -> NDArray[np.float64]:
        return np.array([phrase.value for phrase in self.phrases], np.float64)

    @cached_property
    def _tables(self) -> _Tables:
        return _tables_of(self)

    @property
    def _table(self) -> PhraseTable:
        return self._tables.table

    def spellings(self, words: Sequence[list[int]]) -> list[str]:
        """What the tokens of each word spell, without white space."""
        texts = self._backend.decode_batch(list(words), skip_special_tokens=False)
        return ["".join(text.split()) for text in texts]

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_backend"}
        return {**state, "_spelt": SpeltWords()}


class _Tables(NamedTuple):
    """The phrases of a list as they are looked for; the value of each is its number."""

    table: PhraseTable
    twins: NDArray[np.int64]
    """Numbers of each phrase and of the first that is spelt as it is, for each rule of words."""


def _tables_of(words_of: WordList) -> _Tables:
    """The phrases as the tokenizer spells them, cut into words by every rule.

    One with an unknown token would be found in all that is unknown, and is left out.
    """
    words: dict[str, int] = {}
    tables: tuple[dict[tuple[int, ...], float], ...] = ({}, {})
    texts, twins = [phrase.text for phrase in words_of.phrases], []
    for rule in (OF_TEXT["unicode"], OF_TEXT["whitespace"], None):
        of_texts = None if rule is None else [rule(text) for text in texts]
        spelt = [
            (number, tokens)
            for number, tokens in enumerate(words_of.encoder.encode(texts, of_texts))
            if len(tokens.ids) and words_of.unknown_id not in tokens.ids
        ]
        spellings = iter(words_of.spellings([ids for _, of in spelt for ids in _word_ids(of)]))
        for number, tokens in spelt:
            in_any_letters = texts[number] == texts[number].lower()
            of_phrase = islice(spellings, int(tokens.word_starts.sum()))
            key = tuple(
                words.setdefault(word.casefold() if in_any_letters else word, len(words))
                for word in of_phrase
            )
            twins.append((number, tables[in_any_letters].setdefault(key, number)))
    written, folded = tables
    table = PhraseTable(words, written, folded)
    return _Tables(table, np.array(twins, np.int64).reshape(-1, 2))


def _word_ids(tokens: EncodedText) -> list[list[int]]:
    """The ids of each word of a text."""
    bounds = [*np.flatnonzero(tokens.word_starts).tolist(), len(tokens.ids)]
    return [tokens.ids[a:b].tolist() for a, b in pairwise(bounds)]
