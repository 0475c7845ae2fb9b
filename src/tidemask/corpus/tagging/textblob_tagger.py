"""The embedded tagger: TextBlob's bundled lexicon and suffix rules on our own words.

Nothing is downloaded: `textblob.en.parser.find_tags` needs neither NLTK data nor a model. Its tag
of a word depends on that word alone and on whether it opens a sentence, so each distinct word is
looked up once. What the Penn tags leave open (`have` as AUX or VERB, `that` as SCONJ, PRON or
DET, ...) comes from `upos_rules`: closed-class words and the direct neighbours.

Importing this module loads no textblob; `TextBlobTagger()` does. Nothing is trained here.

References:
    Eric Brill, "A simple rule-based part of speech tagger" (1992), whose lexicon this is. His
    contextual rules, which TextBlob carries too, are left out: they bring 40 000 words/s and half
    a point of Penn accuracy.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.tagging.upos_rules import (
    BOUNDARY,
    CLOSED_CLASS,
    KIND_INDEX,
    PENN_KIND,
    closed_kind,
    disambiguate,
)
from tidemask.corpus.tagging.words import TaggedWords
from tidemask.corpus.words.spans import bounds_of
from tidemask.token_classes import UPOS

_RULES_VERSION = 1
"""Part of the fingerprint; raised with every change here or in `upos_rules` that moves a tag."""

_CACHED_WORDS = 1_000_000
"""Distinct words whose kinds are remembered, per table; about 100 MB when full."""

WORD = re.compile(
    r"""
      [^\W\d_]++(?![\w'’.@:\u0300-\u036f])              # most words: nothing special follows
    | (?:https?://|www\.)[^\s<>"]*[\w/]                 # addresses
    | \w[\w.+-]{0,63}+@\w[\w-]*(?:\.\w+)+
    | \d++(?:[.,:]\d++)*+[^\W_]*+                       # 1,000.5  10:30  1990s  2nd
    | (?:[^\W\d_]\.){2,}                                # U.S.  e.g.
    | (?:M(?:rs?|s|essrs|me|lle)|Drs?|Prof|St|[SJ]r|Capt|Col|Gen|Lt|Rev|Hon|Sgt|Gov|Sen|Rep
        |vs|etc|cf|al|Inc|Ltd|Co|Corp|approx|[Ff]ig|Eqs?|Vol|pp)\.
    | [A-HJ-Z]\.(?=\s+[A-Z])                            # initials
    | [^\W_]+?(?=n['’]t\b|N['’]T\b)                     # do|n't
    | (?:n['’]t|N['’]T)\b
    | ['’](?i:s|m|d|ll|re|ve)\b                         # she|'s
    | [^\W_]++(?:[\u0300-\u036f]++[^\W_]*+)*+           # any other word,
      (?:['’](?!(?i:s|m|d|ll|re|ve)\b)[^\W_]++)*+       # o'clock too
    | \.{2,} | -{2,} | [!?]+ | `` | ''
    | \S
    """,
    re.VERBOSE,
)
"""One match is one word, in the Penn way; every character but white space is in exactly one."""

_SENTENCE_ENDS = frozenset({".", "!", "?", "…", "...", "?!", "!!", "!!!", "??"})
_TRANSPARENT = frozenset("\"'“”‘’()[]{}*_#-–—>") | {"``", "''", "--"}
"""Marks that may stand between a sentence's end and the word that opens the next."""


class TextBlobTagger:
    """English words, with the bundled lexicon's tags mapped to universal ones."""

    class_names = UPOS

    def __init__(self, name: str = "textblob") -> None:
        self.name = name
        self._parser = load_parser()
        lexicon_hash = hashlib.sha256(Path(self._parser.lexicon.path).read_bytes()).hexdigest()
        self.fingerprint = (
            f"textblob {version('textblob')}, lexicon {lexicon_hash[:16]}, rules {_RULES_VERSION}"
        )
        self._opening: dict[str, int] = {}
        self._inner: dict[str, int] = {}

    def tag(self, texts: Sequence[str]) -> list[TaggedWords]:
        """The words of each text; a text's words do not depend on the other texts."""
        spans = [[match.span() for match in WORD.finditer(text)] for text in texts]
        classes = self.classes(
            [text[start:end] for start, end in words]
            for text, words in zip(texts, spans, strict=True)
        )
        return [
            TaggedWords(*bounds_of(words), tags) for words, tags in zip(spans, classes, strict=True)
        ]

    def classes(self, passages: Iterable[Sequence[str]]) -> list[NDArray[np.uint8]]:
        """Index into `class_names` of each word of each passage of ready words.

        A passage begins a sentence; further ones begin after a full stop and the like.
        """
        kinds: list[int] = []
        lengths = []
        for words in passages:
            kinds.extend(self._kinds(words))
            kinds.append(BOUNDARY)
            lengths.append(len(words) + 1)
        tags = disambiguate(np.array(kinds, dtype=np.uint8))
        ends = np.cumsum(lengths, dtype=np.int64)
        return [tags[end - length : end - 1] for end, length in zip(ends, lengths, strict=True)]

    def knows(self, word: str) -> bool:
        """Whether the lexicon, or the list of function words, has a word or its lower-case form."""
        lexicon, lower = self._parser.lexicon, word.lower()
        return lower in CLOSED_CLASS or word in lexicon or lower in lexicon

    def _kinds(self, words: Sequence[str]) -> list[int]:
        """Kind of each word; this loop runs for every word of a corpus."""
        if max(len(self._opening), len(self._inner)) > _CACHED_WORDS:
            self._opening.clear()
            self._inner.clear()
        kinds = []
        opens = True
        for word in words:
            known = self._opening if opens else self._inner
            kind = known.get(word)
            if kind is None:
                kind = known[word] = KIND_INDEX[self._kind(word, opens)]
            kinds.append(kind)
            opens = word in _SENTENCE_ENDS or (opens and word in _TRANSPARENT)
        return kinds

    def _kind(self, word: str, opens: bool) -> str:
        lower = word.lower()
        if closed := closed_kind(word):
            return closed
        if word[0].isdigit():
            return "NUM"
        lexicon = self._parser.lexicon
        own, plain = lexicon.get(word), lexicon.get(lower)
        if own is None and plain is None and word.isupper() and len(word) > 1:
            return "PROPN"
        if _is_only_capitalised(word, own, plain, opens):
            word = lower
        # A full stop before it: find_tags itself treats the first word of a sentence otherwise.
        tag = self._parser.find_tags([".", word])[1][1]
        return PENN_KIND.get(tag.split("|")[0], "X")


def _is_only_capitalised(word: str, own: str | None, plain: str | None, opens: bool) -> bool:
    """Whether the entry `plain` of the word in lower case is a better guide than its `own`.

    So it is for words in capitals, adjectives (universal tags keep `United States` an adjective
    and a name), and at a sentence's beginning unless a name meets a noun: `John`, `Bush`.
    """
    if plain is None:
        return False
    if word.isupper() and len(word) > 1:
        return own is None
    name_or_noun = own == "NNP" and plain.startswith("NN")
    return word.istitle() and (plain.startswith("JJ") or (opens and not name_or_noun))


def load_parser() -> Any:  # textblob carries no types
    """TextBlob's English parser with its lexicon read.

    TextBlob leaves the lexicon's file to the garbage collector, which must not fail for users who
    turn warnings into errors.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        from textblob.en import parser

        len(parser.lexicon)
    return parser
