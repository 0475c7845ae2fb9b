"""Units of selection: what is selected whole or not at all.

A unit is named by the position at which it starts. All positions of a unit use the draw of its
start, so they are selected together. No unit reaches across the boundary of a document: a new word
or span begins after every position that is not maskable (special tokens, padding) and at every
document start.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Int, Int32, UInt8
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.bitmask import as_mask, below
from tidemask.masking.noise import Purpose, Streams, positions_of
from tidemask.settings import Settings, check_integer

MaskingUnit = Literal["token", "word", "span"]
"""`token`: every position by itself. `word`: all subwords of a word together. `span`: a run of
adjacent words, or tokens."""


_MAX_SPAN = 1000
"""Each possible length is an operation on every batch."""


@dataclass(frozen=True, kw_only=True)
class SpanLengths(Settings):
    """Lengths of spans: geometric, cut at a maximum.

    `P(length = l)` is in proportion to `p (1 - p)^(l - 1)` for l from 1 to `longest`.

    References:
        Joshi et al., "SpanBERT" (TACL 2020), section 3.1: p = 0.2, at most 10 words, mean 3.8.
        Deviation: spans partition the whole sequence and each is selected by itself, where the
        original places spans at random until the budget is reached. So the inclusion probability is
        known and the same at every position; two selected spans may touch.
    """

    p: float = 0.2
    """Chance that a span ends at its next element, in (0, 1]."""
    longest: int = 10
    """Maximum number of elements of a span, 1 to 1000."""
    of: Literal["word", "token"] = "word"
    """What a span's elements are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.p <= 1.0:
            raise ValueError(f"p={self.p:g}. Expected a number above 0, at most 1.")
        check_integer("longest", self.longest, minimum=1, below=_MAX_SPAN + 1)

    @cached_property
    def cumulative(self) -> list[float]:
        """Chance of a length of at most 1, 2, ..., `longest`; the last is 1."""
        masses = [self.p * (1.0 - self.p) ** i for i in range(self.longest)]
        total = sum(masses)
        return [sum(masses[: i + 1]) / total for i in range(self.longest - 1)] + [1.0]


def word_starts(batch: Batch) -> Bool[Tensor, "B L"]:
    """Where words start, boundaries of documents and special tokens included.

    Raises:
        ValueError: the batch has no word starts.
    """
    if batch.word_starts is None:
        raise ValueError(
            "word_starts=None. Expected true at the first subword of each word; whole words and "
            "spans of words need it. Choose masking.unit=token if words are not known."
        )
    return batch.word_starts | _boundaries(batch)


def starts_of_words(
    batch: Batch, classes: UInt8[Tensor, "B L"] | None = None
) -> tuple[Int32[Tensor, "B L"], Int32[Tensor, "B L"] | None]:
    """Position and class of the start of each position's word.

    Args:
        batch: with word starts.
        classes: of each position; a word has the class of its start.

    Returns:
        Start of each position's word, and the word's class if `classes` were given.
    """
    starts = word_starts(batch)
    if classes is None:
        return _carried(starts, positions_of(batch.input_ids)), None
    # One running maximum carries both: the position in the high bits, the class in the low eight.
    both = classes.to(torch.int32).add_(positions_of(batch.input_ids) << 8)
    carried = _carried(starts, both)
    return carried >> 8, carried.bitwise_and_(0xFF)


def starts_of_spans(batch: Batch, lengths: SpanLengths, streams: Streams) -> Int32[Tensor, "B L"]:
    """Position of the start of each position's span.

    The words (or tokens) of a sequence are cut into spans one after the other: the length of its
    j-th span is drawn with position j of the stream `SPAN_LENGTH`. A span that meets the boundary
    of a document is cut there.
    """
    of_words = lengths.of == "word"
    boundaries = _boundaries(batch)
    starts = word_starts(batch) if of_words else torch.ones_like(boundaries)
    positions = positions_of(batch.input_ids)
    if starts.numel() == 0:
        return positions.expand(starts.shape)
    # Number the elements (words or tokens) 1, 2, ... and mark in a table by element number where
    # spans end; the next element then begins a span, if its position is the element's start.
    element = starts.cumsum(1)
    ends = _span_ends(element[:, -1:], positions, lengths, streams)
    begins_at = torch.zeros(
        starts.shape[0], starts.shape[1] + 1, dtype=torch.bool, device=starts.device
    ).scatter_(1, ends.clamp_(max=starts.shape[1]), True)
    begins = starts & begins_at.gather(1, element.sub_(1).clamp_(min=0))
    return _carried(begins | boundaries, positions)


def _span_ends(
    num_elements: Int[Tensor, "B 1"],
    positions: Int32[Tensor, "L"],
    lengths: SpanLengths,
    streams: Streams,
) -> Int[Tensor, "B N"]:
    """Where each span ends, in elements, for as many spans as cover all elements.

    One span per position always covers them. On a CPU, where reading a value is free, 1.5 times the
    number that is needed on average is drawn first, which nearly always suffices.
    """
    mean_length = sum(1.0 - share for share in (0.0, *lengths.cumulative))
    few = math.ceil(1.5 * len(positions) / mean_length) + 8
    if not num_elements.is_cuda and few < len(positions):
        ends = _drawn_lengths(positions[:few], lengths, streams).cumsum(1)
        if bool((ends[:, -1:] >= num_elements).all()):
            return ends
    return _drawn_lengths(positions, lengths, streams).cumsum(1)


def _drawn_lengths(
    positions: Int32[Tensor, "N"], lengths: SpanLengths, streams: Streams
) -> Int32[Tensor, "B N"]:
    """Length of each span by inversion: `longest`, less one for each edge the draw is below."""
    draws = streams.draws(Purpose.SPAN_LENGTH, positions)
    drawn = torch.full_like(draws, lengths.longest)
    for share in lengths.cumulative[:-1]:
        drawn.add_(below(draws, share))
    return drawn


def _boundaries(batch: Batch) -> Bool[Tensor, "B L"]:
    """True at each position that is not maskable, after one, and where a document starts."""
    boundaries = ~batch.maskable
    if boundaries.numel():
        boundaries[:, 1:] |= ~batch.maskable[:, :-1]
        boundaries[:, 0] = True
    return boundaries if batch.document_starts is None else boundaries | batch.document_starts


def _carried(starts: Bool[Tensor, "B L"], values: Int32[Tensor, "*shape"]) -> Int32[Tensor, "B L"]:
    """The value at each position's start; values do not decrease from start to start."""
    # Elsewhere 0, so the running maximum holds each start's value until the next start.
    at_starts = as_mask(starts).bitwise_and_(values)
    return torch.cummax(at_starts, dim=1).values if starts.numel() else at_starts
