"""A tagger on text with gold tags: which share of the words it gives the right class."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from tidemask.corpus.sources.conllu import conllu_sentences
from tidemask.corpus.sources.decoding import read_records
from tidemask.corpus.sources.tagged_documents import documents_of_sentences
from tidemask.corpus.store.tag_accuracy import ClassAccuracy, TagAccuracy
from tidemask.corpus.tagging.given_tags import GivenTagger
from tidemask.corpus.tagging.words import Tagger, own_classes
from tidemask.corpus.words.spans import NO_TAG
from tidemask.errors import UserError
from tidemask.files.paths import check_plain_file, given_path
from tidemask.reading import ANY_LENGTH, read_bytes
from tidemask.token_classes import CONTENT_UPOS, NO_CLASS


def tag_accuracy(gold: str | Path, tagger: Tagger | GivenTagger | None) -> TagAccuracy:
    """The accuracy of a tagger on a CoNLL-U file with universal tags.

    The tagger reads the text and finds words of its own; a gold word has the class of the word that
    shares most characters with it.

    Args:
        gold: path of the file, compressed or not.
        tagger: none, or tags of the input, is refused.

    Raises:
        UserError: there is no tagger or no such file, it is no CoNLL-U, or has no tags.
    """
    if tagger is None or isinstance(tagger, GivenTagger):
        raise UserError(
            f"tags to check without a tagger: check_tags={gold}. Expected a tagger that finds tags "
            "of its own. Name one (--tagger), or leave out --check-tags."
        )
    path = given_path(gold, "check_tags")
    check_plain_file(path)
    if not path.is_file():
        raise UserError(
            f"no such file: {path} (check_tags). Expected a CoNLL-U file. Check the path."
        )
    names = np.array([*tagger.class_names, *[""] * (NO_CLASS + 1 - len(tagger.class_names))])
    pairs: Counter[tuple[str, str]] = Counter()
    for document in documents_of_sentences(
        conllu_sentences(read_records(path), str(path)), str(path)
    ):
        words = document.words
        assert words is not None, "CoNLL-U has words"
        (tagged,) = tagger.tag([document.text])
        alone = np.ones(len(words.starts), np.bool_)
        found = names[own_classes(tagged, words.starts, words.ends, alone)].tolist()
        pairs.update(zip(words.tags, found, strict=True))
    return _summed(pairs, path)


def _summed(pairs: Counter[tuple[str, str]], path: Path) -> TagAccuracy:
    """The accuracy from how often each pair of a gold and a found class occurs."""
    counted = {pair: number for pair, number in pairs.items() if pair[0] != NO_TAG}
    total = sum(counted.values())
    if not total:
        raise UserError(
            f"no gold tags: {path} (check_tags) has no word with a universal tag. Expected a "
            "CoNLL-U file with UPOS. Name another."
        )
    right = Counter({gold: number for (gold, found), number in counted.items() if gold == found})
    words: Counter[str] = Counter()
    for (gold, _), number in counted.items():
        words[gold] += number
    return TagAccuracy(
        source=str(path),
        sha256=hashlib.sha256(read_bytes(path, ANY_LENGTH, "unreadable text")).hexdigest(),
        num_words=total,
        num_right=right.total(),
        num_right_kind=sum(
            number
            for (gold, found), number in counted.items()
            if found and (gold in CONTENT_UPOS) == (found in CONTENT_UPOS)
        ),
        by_class={
            name: ClassAccuracy(num_words=words[name], num_right=right[name])
            for name in sorted(words)
        },
    )
