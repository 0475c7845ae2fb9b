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
from typing import Any

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
from tidemask.token_classes import COLUMN_FORMS, ColumnKind


@dataclass(frozen=True)
class WordList:
    """The words and phrases of a file.

    Attributes:
        kind: "class", "group" or "weight".
        class_names: labels of the file, in the order of the alphabet.
        phrases: those that it lists, with the value of each.
        encoder: of the corpus.
        unknown_id: of its unknown token; `None` if there is none.
        fingerprint: of the list.
    """

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
        class_names, phrases = read_phrases(path, kind, label=request.column)
        if num_again := len(set(phrases)) - len({phrase.text for phrase in phrases}):
            request.on_note(
                f"Words or phrases that {path} lists again with another label or weight: "
                f"{num_again:,}. The first counts."
            )
        digest = hashlib.sha256(repr((kind, class_names, phrases)).encode()).hexdigest()
        tokenizer = load_tokenizer(request.corpus.tokenizer_directory)
        found = cls(
            kind, class_names, phrases, tokenizer.encoder(), tokenizer.unknown_id, f"list {digest}"
        )
        if num_unknown := len(phrases) - found._table.num_phrases:
            request.on_note(
                f"{num_unknown:,} of the {len(phrases):,} words and phrases of {path} cannot be "
                "found: the tokenizer of the corpus has no entries for some of their letters."
            )
        return found

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[Any]]:
        """The value of each token, `NO_CLASS`, `NO_GROUP` or 0 where nothing is found."""
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
        of_found = np.arange(len(sizes)) if self.kind == "group" else found.value
        values[np.repeat(begins, sizes) + np.arange(sizes.sum())] = np.repeat(of_found, sizes)
        return np.split(values, np.cumsum(words.document_tokens)[:-1])

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
    def _table(self) -> PhraseTable:
        return _phrase_table(self)

    def spellings(self, words: Sequence[list[int]]) -> list[str]:
        """What the tokens of each word spell, without white space."""
        texts = self._backend.decode_batch(list(words), skip_special_tokens=False)
        return ["".join(text.split()) for text in texts]

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_backend"}
        return {**state, "_spelt": SpeltWords()}


def _phrase_table(words_of: WordList) -> PhraseTable:
    """The phrases as the tokenizer spells them, cut into words by every rule.

    One with an unknown token would be found in all that is unknown, and is left out.
    """
    words: dict[str, int] = {}
    tables: tuple[dict[tuple[int, ...], float], ...] = ({}, {})
    texts = [phrase.text for phrase in words_of.phrases]
    known = set()
    for rule in (OF_TEXT["unicode"], OF_TEXT["whitespace"], None):
        of_texts = None if rule is None else [rule(text) for text in texts]
        pairs = zip(words_of.phrases, words_of.encoder.encode(texts, of_texts), strict=True)
        spelt = [
            (phrase, tokens)
            for phrase, tokens in pairs
            if len(tokens.ids) and words_of.unknown_id not in tokens.ids
        ]
        spellings = iter(words_of.spellings([ids for _, of in spelt for ids in _word_ids(of)]))
        for phrase, tokens in spelt:
            known.add(phrase.text)
            in_any_letters = phrase.text == phrase.text.casefold()
            of_phrase = islice(spellings, int(tokens.word_starts.sum()))
            key = tuple(
                words.setdefault(word.casefold() if in_any_letters else word, len(words))
                for word in of_phrase
            )
            tables[in_any_letters].setdefault(key, phrase.value)
    written, folded = tables
    return PhraseTable(words, written, folded, sum(text in known for text in texts))


def _word_ids(tokens: EncodedText) -> list[list[int]]:
    """The ids of each word of a text."""
    bounds = [*np.flatnonzero(tokens.word_starts).tolist(), len(tokens.ids)]
    return [tokens.ids[a:b].tolist() for a, b in pairwise(bounds)]
