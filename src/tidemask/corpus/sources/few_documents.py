"""Two splits of few documents: one is moved where a split would be empty, a single one is cut.

A share of few documents may be none of them. Then one is held out all the same, and where there is
one document alone, its passages are the documents. The splits stay disjoint, and nothing is lost.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from tidemask.corpus.sources.documents import Document, count_words
from tidemask.corpus.sources.splitting import (
    Documents,
    Split,
    SplitPlan,
    place_in_split,
    plan_split,
)

NUM_PASSAGES = 20
"""Passages that a single document is cut into, where it is long enough."""

MIN_WORDS = 50
"""Words of a passage at least; a document of fewer than twice as many is not cut."""

_SENTENCE_ENDS = re.compile(r"\n+|(?<=[.!?…])\s+|(?<=[。！？।။])")
_WORD_ENDS = re.compile(r"\s+")


@dataclass(frozen=True)
class Passages:
    """The passages of documents as documents of their own; those in a given split stay whole."""

    documents: Documents

    def __call__(self) -> Iterator[Document]:
        """Stream the passages, in the order of the text."""
        for document in self.documents():
            if document.held_out is not None:
                yield document
                continue
            for text in passages(document.text):
                yield replace(document, text=text)


def passages(text: str) -> list[str]:
    r"""A text in passages of 50 words or more, cut at lines and sentences, else at spaces.

    All of the text is in them but white space between two.

    Example:
        >>> sentence = "One two three four five six seven eight nine ten. "
        >>> [len(passage.split()) for passage in passages(sentence * 11)]
        [50, 60]
    """
    size = max(MIN_WORDS, math.ceil(count_words(text) / NUM_PASSAGES))
    for boundary in (_SENTENCE_ENDS, _WORD_ENDS):
        found = _cut([match.end() for match in boundary.finditer(text)], text, size)
        if len(found) > 1:
            return found
    return [text]


def _cut(ends: Iterable[int], text: str, size: int) -> list[str]:
    """The text cut at the first of some places after each `size` words; a short rest is added."""
    cuts, previous, words = [0], 0, 0
    for end in (*ends, len(text)):
        words += count_words(text[previous:end])
        previous = end
        if words >= size:
            cuts.append(end)
            words = 0
    if len(cuts) > 1:
        cuts[-1] = len(text)  # a rest of less than `size` words belongs to the last passage
    return [text[start:end].strip() for start, end in pairwise(cuts)]


def with_both_splits(plan: SplitPlan, documents: Iterable[Document]) -> SplitPlan:
    """The plan, with one document moved to a split that would be empty.

    It is the one whose hash is nearest to that split, so that it depends on the texts alone. Where
    documents have their split by themselves, or there is one, the plan stays.
    """
    counts = plan.count(Split.TRAIN), plan.count(Split.HELD_OUT)
    if min(counts) > 0 or sum(counts) < 2:
        return plan
    kept = (Split.TRAIN, Split.HELD_OUT)
    places = [
        (place_in_split(document.text), index)
        for index, (document, split) in enumerate(zip(documents, plan.splits, strict=False))
        if split in kept and document.held_out is None
    ]
    if not places:
        return plan
    splits = bytearray(plan.splits)
    if counts[1] == 0:
        splits[min(places)[1]] = Split.HELD_OUT
    else:
        splits[max(places)[1]] = Split.TRAIN
    return SplitPlan(bytes(splits))


def for_few_documents(
    documents: Documents, plan: SplitPlan, held_out_share: float
) -> tuple[Documents, SplitPlan, list[str]]:
    """Documents and plan with something in both splits, where that can be; and notes on how.

    Args:
        documents: those that were planned.
        plan: of them; returned as it is where both splits have documents, or none is held out.
        held_out_share: as for the plan.
    """
    notes: list[str] = []
    if held_out_share and plan.num_kept == 1:
        passages_alone = Passages(documents)
        splits = bytes(split for _, split in plan_split(passages_alone(), held_out_share))
        if SplitPlan(splits).num_kept > 1:
            documents, plan = passages_alone, SplitPlan(splits)
            notes.append(
                f"The text is a single document. It was cut into {plan.num_kept} passages, which "
                "are the documents of this corpus, so that some can be held out."
            )
    if held_out_share and (moved := with_both_splits(plan, documents())) is not plan:
        what = "left for training" if plan.count(Split.HELD_OUT) else "held out"
        notes.append(
            f"Of {plan.num_kept} documents a share of {held_out_share:g} held out would leave a "
            f"split empty; one of them was {what} all the same."
        )
        plan = moved
    return documents, plan, notes
