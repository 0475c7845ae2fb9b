"""One pass over the documents, after which the split of each is decided.

While they are read 26 bytes a document are remembered, and 250 on the disk where near copies are
looked for. Deciding takes some 85 bytes a document, measured with a million documents of 20 words:
0.9 GB for ten million, whatever their length.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.sources.documents import Document, check_document
from tidemask.corpus.splitting.exact_copies import TextHashes
from tidemask.corpus.splitting.field_types import FieldTypes, merged_types
from tidemask.corpus.splitting.held_out_choice import chosen_for_held_out
from tidemask.corpus.splitting.minhash import MinHashSketches
from tidemask.corpus.splitting.plan import COPIES, KEPT, LEFT_OUT, Split, SplitPlan, Twins
from tidemask.corpus.units import Unit, compared_units, count_words
from tidemask.files.paths import CONVERT_TEXT, check_utf8

Deduplicate = Literal["exact", "near", "auto", "none"]
"""Which copies are dropped: of the same text; those that are much alike, too; these where they have
`AUTO_MIN_UNITS` words or more; none."""

AUTO_MIN_UNITS = 50
"""Words from which on near copies of a text are dropped under "auto". Shorter texts are often alike
without being copies: greetings, headings, forms."""

MAX_COUNTED_WORDS = (1 << 32) - 1
"""Words of a document at most, as they are counted for the held-out share."""

_UNDECIDED, _IN_TRAINING, _IN_HELD_OUT = -1, 0, 1


class Survey:
    """What decides about documents, gathered while they are read once."""

    def __init__(
        self,
        directory: Path,
        *,
        held_out: float,
        deduplicate: Deduplicate,
        threshold: float,
        unit: Unit,
    ) -> None:
        """No documents yet.

        Args:
            directory: where files without names may be.
            held_out: share of the words of documents without a split of their own.
            deduplicate: which copies are dropped.
            threshold: share of common shingles, a Jaccard index, from which on texts are near
                copies, in (0, 1].
            unit: what shingles are runs of.
        """
        self._held_out, self._deduplicate = held_out, deduplicate
        self._threshold, self._unit = threshold, unit
        self._hashes = TextHashes()
        self._num_words, self._given, self._passes = array("I"), array("b"), array("H")
        self._empty_as = array("B")
        self._sketches = MinHashSketches(directory)
        self._sketched = array("I")
        self._field_types: FieldTypes = {}
        self._digest = hashlib.blake2b(digest_size=16)

    def add(self, document: Document) -> None:
        """Take account of one more document.

        Raises:
            UserError: a text is not a string, or has a lone surrogate.
        """
        check_document(document, len(self._given) + 1)
        check_utf8(document.text, f"text of {document.source}", CONVERT_TEXT)
        self._field_types = merged_types(self._field_types, document.fields)
        beside = (
            document.source,
            document.place,
            document.held_out,
            document.passes,
            sorted(document.fields.items()),
            document.left_out,
        )
        self._digest.update(repr(beside).encode())
        self._digest.update(document.text.encode())
        if (words := document.words) is not None:
            for bounds in (words.starts, words.ends):
                self._digest.update(bounds.astype(np.int64).tobytes())
            self._digest.update(repr(words.tags).encode())
        text = "" if document.left_out else document.text  # nothing is a copy of what is left out
        if self._deduplicate in ("near", "auto"):
            self._sketch(text)
        self._hashes.add(text)
        self._num_words.append(min(count_words(text), MAX_COUNTED_WORDS))
        self._empty_as.append(LEFT_OUT.get(document.left_out, Split.EMPTY))
        self._passes.append(document.passes)
        held_out = document.held_out
        self._given.append(_UNDECIDED if held_out is None else int(held_out))

    def plan(self) -> SplitPlan:
        """The split of every document, in the order in which they were added."""
        num_words = np.frombuffer(self._num_words, np.uint32)
        given = np.frombuffer(self._given, np.int8)
        precedence = (given != _IN_HELD_OUT).astype(np.int8)
        twin_of = self._hashes.first_copies(precedence)
        splits = np.full(len(given), Split.TRAIN, np.uint8)
        splits[num_words == 0] = np.frombuffer(self._empty_as, np.uint8)[num_words == 0]
        is_copy = (twin_of >= 0) & (num_words > 0)
        in_both = is_copy & (given != _IN_HELD_OUT) & (given[twin_of] == _IN_HELD_OUT)
        if self._deduplicate != "none":
            splits[is_copy] = Split.COPY
        splits[in_both] = Split.HELD_OUT_COPY
        near, near_agreement = self._dropped_near_copies(splits, twin_of, precedence)

        undecided = (splits == Split.TRAIN) & (given == _UNDECIDED)
        chosen = chosen_for_held_out(
            self._hashes.places()[undecided], num_words[undecided], self._held_out
        )
        splits[np.flatnonzero(undecided)[chosen]] = Split.HELD_OUT
        splits[(splits == Split.TRAIN) & (given == _IN_HELD_OUT)] = Split.HELD_OUT
        copies = np.flatnonzero(np.isin(splits, COPIES))
        agreement = np.ones(len(copies), np.float32)
        agreement[np.searchsorted(copies, near)] = near_agreement
        held_out, kept = (num_words[np.isin(splits, which)].sum() for which in (KEPT[1:], KEPT))
        return SplitPlan(
            splits.tobytes(),
            Twins(copies, twin_of[copies], agreement),
            float(held_out / kept) if kept else 0.0,
            self._digest.hexdigest(),
            self._field_types,
            int((np.array(self._passes)[splits == Split.TRAIN].astype(np.int64) - 1).sum()),
        )

    def _sketch(self, text: str) -> None:
        units = compared_units(text, self._unit)
        if len(units) >= (AUTO_MIN_UNITS if self._deduplicate == "auto" else 1):
            self._sketched.append(len(self._given))
            self._sketches.add(units)

    def _dropped_near_copies(
        self,
        splits: NDArray[np.uint8],
        twin_of: NDArray[np.int64],
        precedence: NDArray[np.int8],
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Drop the documents that are near copies of kept ones before them.

        Returns:
            Their numbers, with those of their exact copies, and the agreement of each with its
            twin; `splits` and `twin_of` are changed.
        """
        numbers = np.frombuffer(self._sketched, np.uint32)
        order = np.flatnonzero(splits[numbers] == Split.TRAIN)
        order = order[np.argsort(precedence[numbers[order]], kind="stable")]
        earlier = self._sketches.earlier_alike(order, self._threshold)
        later = order[earlier[order] >= 0]
        kept = _kept_twins(self._sketches, later, earlier, self._threshold)
        later, kept = later[kept >= 0], kept[kept >= 0]
        splits[numbers[later]] = Split.NEAR_COPY
        twin_of[numbers[later]] = numbers[kept]
        agreement = self._sketches.agreement(later, kept)
        # Exact copies of what was dropped now are copies of its twin.
        in_order = np.argsort(numbers[later])
        near = numbers[later][in_order].astype(np.int64)
        agreement = agreement[in_order]
        is_copy = np.flatnonzero(np.isin(splits, (Split.COPY, Split.HELD_OUT_COPY)))
        of_dropped = is_copy[splits[twin_of[is_copy]] == Split.NEAR_COPY]
        as_twin = agreement[np.searchsorted(near, twin_of[of_dropped])]
        twin_of[of_dropped] = twin_of[twin_of[of_dropped]]
        return np.concatenate([near, of_dropped]), np.concatenate([agreement, as_twin])


def surveyed(documents: Iterable[Document], survey: Survey) -> SplitPlan:
    """The plan of a survey after it has read these documents."""
    for document in documents:
        survey.add(document)
    return survey.plan()


def _kept_twins(
    sketches: MinHashSketches,
    later: NDArray[np.int64],
    earlier: NDArray[np.int64],
    threshold: float,
) -> NDArray[np.int64]:
    """The sketch that is kept and to which each of `later` is alike, -1 where there is none.

    Where the one before it is dropped itself, that one's twin is compared.
    """
    twin_of = earlier.copy()
    pending = later[twin_of[twin_of[later]] >= 0]
    for number in pending.tolist():
        twin = twin_of[twin_of[number]]
        if twin < 0:
            continue
        pair = np.array([number]), np.array([twin])
        twin_of[number] = twin if sketches.agreement(*pair)[0] >= threshold else -1
    return twin_of[later]
