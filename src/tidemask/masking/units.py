"""Units of selection: what is selected whole or not at all.

A unit is named by the position at which it starts. All positions of a unit use the draw of its
start, so they are selected together. No unit reaches across the boundary of a document: a new word
or span begins after every position that is not maskable (special tokens, padding) and at every
document start.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Int, Int32, UInt8
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.bitmask import as_mask, below
from tidemask.masking.columns import groups_in
from tidemask.masking.noise import Purpose, Streams, positions_of
from tidemask.masking.spans import SpanLengths
from tidemask.token_classes import TokenColumn


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


def starts_of_groups(batch: Batch, column: TokenColumn) -> Int32[Tensor, "B L"]:
    """Position of the first maskable token of each position's group.

    Where there is no group, the start of its word, of which only what belongs to no group counts.

    Args:
        batch: with word starts and the column.
        column: of groups.
    """
    groups, positions = groups_in(batch, column), positions_of(batch.input_ids)
    grouped = (groups >= 0) & batch.maskable
    starts = word_starts(batch)
    if not groups.numel():
        return positions.expand(starts.shape)
    starts[:, 1:] |= grouped[:, 1:] != grouped[:, :-1]
    # The first position of each group in a table by its id; the last place takes what has none.
    length = groups.shape[1]
    index = torch.where(grouped, groups, length).to(torch.int64)
    first = positions.new_full((groups.shape[0], length + 1), length)
    first.scatter_reduce_(1, index, positions.expand(groups.shape), "amin")
    return torch.where(grouped, first.gather(1, index), _carried(starts, positions))


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
