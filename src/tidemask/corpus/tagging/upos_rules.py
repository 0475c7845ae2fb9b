"""From Penn tags and closed-class words to universal parts of speech.

A word first gets a *kind*: a universal tag, or a finer name (lower case) for words whose tag
depends on their neighbours. `disambiguate` then resolves the kinds, a rule at a time over a whole
batch of texts. The rules were chosen by hand on the training part of UD English EWT; their accuracy
is measured in `tests/corpus/tagging/test_textblob_tagger.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemask.token_classes import UPOS

_PENN_TAGS: dict[str, str] = {
    "ADJ": "JJ JJR JJS",
    "ADP": "IN RP",
    "ADV": "RB RBR RBS WRB",
    "CCONJ": "CC",
    "DET": "DT PDT",
    "INTJ": "UH",
    "NUM": "CD LS",
    "PART": "POS",
    "PRON": "EX PRP PRP$ WDT WP WP$",
    "PROPN": "NNP NNPS NP",
    "SYM": "SYM",
    "VERB": "VBZ",
    "X": "FW",
    "base": "VB VBP",
    "ing": "VBG",
    "modal": "MD",
    "noun": "NN",
    "past": "VBD VBN",
    "plural": "NNS",
    "to": "TO",
}

PENN_KIND: dict[str, str] = {
    penn: kind for kind, tags in _PENN_TAGS.items() for penn in tags.split()
}
"""Kind of a word by its Penn tag."""

_CLOSED_WORDS: dict[str, str] = {
    "be": "am is are was were be been being 'm 're ’m ’re ai",
    "have": "have has had having 've ’ve",
    "do": "do does did",
    "modal": "will would can could may might must shall should ca wo cannot 'll ’ll 'd ’d",
    "not": "not n't n’t",
    "to": "to",
    "that": "that",
    "this": "this these those",
    "s": "'s ’s",
    "subject": "i we they you",
    "he": "he she it",
    "possessive": "my your his its our their her whose",
    "there": "there",
    "more": "more most less least much",
    "no": "no",
    "like": "like",
    "as": "as",
    "than": "than after before since until till",
    "ADP": (
        "of in for on with at by from into about through during without within upon among between"
        " against toward towards despite per via onto"
    ),
    "ADV": "just also very so too even never ever still now then here again always well",
    "CCONJ": "and or but nor & plus",
    "DET": "the a an every each any some all both either neither another",
    "INTJ": "please yes yeah oh hi hello hey ok okay wow ah alas ha",
    "PRON": (
        "me him us them who whom which what something anything nothing everything someone anyone"
        " everyone somebody anybody nobody everybody none mine yours hers ours theirs myself"
        " yourself himself herself itself ourselves themselves yourselves oneself thou thee ye"
        " whoever whatever"
    ),
    "SCONJ": "if because although though unless whether whereas while lest",
    "SYM": "% # / $ + = < > | ~ ^ \\ @ £ € ¥ © ® ™ ° × ÷ ± → ← •",
}

CLOSED_CLASS: dict[str, str] = {
    word: kind for kind, words in _CLOSED_WORDS.items() for word in words.split()
}
"""Kind of a closed-class word or symbol, by its lower-case form."""


def closed_kind(word: str) -> str | None:
    """Kind of a word of a closed class, or of punctuation; `None` for all others."""
    lower = word.lower()
    if lower in CLOSED_CLASS and word != "US":
        return CLOSED_CLASS[lower]
    return None if any(map(str.isalnum, word)) else "PUNCT"


_DEFAULT_KINDS: dict[str, str] = {
    "ADJ": "more",
    "ADP": "to like as than",
    "ADV": "there",
    "AUX": "be do modal",
    "DET": "this no",
    "NOUN": "noun plural",
    "PART": "not s",
    "PRON": "subject he possessive",
    "SCONJ": "that",
    "VERB": "base past ing have",
    "X": "boundary",
}

_DEFAULT_TAG: dict[str, str] = {tag: tag for tag in UPOS} | {
    kind: tag for tag, kinds in _DEFAULT_KINDS.items() for kind in kinds.split()
}
"""Universal tag of each kind where no rule of `disambiguate` changes it."""

KINDS: tuple[str, ...] = tuple(_DEFAULT_TAG)
KIND_INDEX: dict[str, int] = {name: index for index, name in enumerate(KINDS)}
BOUNDARY: int = KIND_INDEX["boundary"]
"""Kind of the place between two texts, which no rule reads across."""

_DEFAULT_INDEX = np.array([UPOS.index(tag) for tag in _DEFAULT_TAG.values()], dtype=np.uint8)


def disambiguate(kinds: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Universal tags of a run of words, from their kinds and those of their neighbours.

    Rules read kinds, never each other's results; where two rules change the same word, the later
    one holds.

    Args:
        kinds: index into `KINDS` of each word, uint8 [W], with a `BOUNDARY` after each text.

    Returns:
        Index into `UPOS` of each word, uint8 [W]; meaningless at a boundary.
    """
    tags = _DEFAULT_INDEX[kinds]
    edge = np.full(2, BOUNDARY, dtype=np.uint8)
    padded = np.concatenate([edge, kinds, edge])
    previous, following = padded[1:-3], padded[3:-1]
    # The neighbour beyond one adverb or negation, where verbs are looked for: "has never been",
    # "did not work".
    left = np.where(_among(previous, "ADV", "not"), padded[:-4], previous)
    right = np.where(_among(following, "ADV", "not"), padded[4:], following)

    # Each rule is one mask over all words: the words of a kind whose neighbours meet a condition.
    def change(kind: str, tag: str, condition: NDArray[np.bool_]) -> None:
        tags[(kinds == KIND_INDEX[kind]) & condition] = UPOS.index(tag)

    wants_verb = _among(left, "modal", "do") | _among(previous, "to", "subject")
    wants_noun = _among(previous, "DET", "possessive", "this", "no", "ADJ", "NUM")
    verb_follows = _among(right, "VERB", "base", "past", "be", "have", "do", "modal")
    nominal_follows = _among(following, "NOUN", "noun", "plural", "ADJ", "PROPN", "NUM")
    subject_follows = _among(following, "subject", "he", "there")

    change("noun", "VERB", wants_verb)
    change("plural", "VERB", _among(left, "he"))
    change("like", "VERB", wants_verb)
    change("base", "NOUN", wants_noun)
    change("ing", "NOUN", _among(previous, "DET", "possessive") & ~nominal_follows)
    change("to", "PART", _among(right, "base", "be", "have", "do", "noun"))
    change("be", "VERB", _among(left, "there"))
    change("have", "AUX", _among(right, "past", "be", "have") | _among(following, "not"))
    change("have", "AUX", _among(following, "subject", "he"))
    change("do", "VERB", _among(previous, "to", "modal", "be") | _among(following, "DET", "this"))
    change("that", "DET", nominal_follows & _among(previous, "ADP", "be"))
    change("that", "PRON", _among(previous, "NOUN", "noun", "plural"))
    change("that", "PRON", verb_follows & ~_among(previous, "VERB", "base", "past"))
    change("this", "PRON", ~nominal_follows)
    change("there", "PRON", _among(right, "be", "modal", "s"))
    change("more", "ADV", _among(following, "ADJ", "ADV", "ing", "past"))
    change("no", "INTJ", _among(following, "PUNCT", "boundary"))
    change("s", "AUX", _among(previous, "he", "that", "PRON", "there", "ADV"))
    change("as", "SCONJ", subject_follows | _among(following, "past", "ing"))
    change("as", "ADV", _among(following, "ADJ", "ADV"))
    change("than", "SCONJ", subject_follows | _among(following, "past", "ing"))
    change("like", "SCONJ", subject_follows)
    change("ADP", "SCONJ", _among(following, "ing"))
    return tags


def _among(kinds: NDArray[np.uint8], *names: str) -> NDArray[np.bool_]:
    """Where the kind is one of `names`."""
    table = np.zeros(len(KINDS), dtype=np.bool_)
    table[[KIND_INDEX[name] for name in names]] = True
    return table[kinds]
