"""The ids that the input shows at the drawn positions: mask token, random token, or their own.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Int, Int32
from torch import Tensor

from tidemask.masking.bitmask import as_bool, below, where_mask
from tidemask.masking.corruption import Shares
from tidemask.masking.noise import DRAW_BITS, Purpose, Streams, positions_of
from tidemask.masking.vocabulary import Vocabulary


@lru_cache(maxsize=16)
def _ordinary_ids(vocabulary: Vocabulary, device: torch.device) -> Tensor:
    """The ordinary ids on a device, copied once: a copy at every step would wait for the device."""
    return vocabulary.ordinary_ids.to(device)


def corrupt(
    input_ids: Int[Tensor, "B L"],
    drawn: Int32[Tensor, "B L"],
    *,
    streams: Streams,
    shares: Shares,
    vocabulary: Vocabulary,
) -> Int[Tensor, "B L"]:
    """Ids with the drawn positions masked, replaced or kept; the input is not changed.

    The kind of corruption is drawn for each position by itself, not for its unit.

    Args:
        input_ids: original ids.
        drawn: mask of the positions to corrupt, 0 or -1.
        streams: noise with the purposes `CORRUPTION` and `RANDOM_TOKEN`.
        shares: of the three kinds.
        vocabulary: mask token and the ids to draw from.
    """
    input_ids = input_ids.contiguous()
    if shares.mask >= 1.0:
        return where_mask(drawn.to(input_ids.dtype), vocabulary.mask_id, input_ids)
    # One draw per position decides: the lowest part of its range is a mask token, the next part a
    # random token (below the sum of both shares, but not below the first), the rest stays.
    kind = streams.draws(Purpose.CORRUPTION, positions_of(input_ids))
    is_mask = below(kind, shares.mask).bitwise_and_(drawn)
    ids = where_mask(is_mask.to(input_ids.dtype), vocabulary.mask_id, input_ids)
    if shares.random > 0.0:
        is_random = below(kind, min(1.0, shares.mask + shares.random)).bitwise_and_(drawn)
        is_random.bitwise_xor_(is_mask)
        _replace_with_random_(ids, is_random, streams, vocabulary)
    return ids


def _replace_with_random_(
    ids: Tensor, is_random: Tensor, streams: Streams, vocabulary: Vocabulary
) -> None:
    """Write random tokens in place where the mask `is_random` is -1.

    On a CPU they are drawn only where they are needed. On a GPU they are drawn everywhere: to find
    the places, the host would wait for the device.
    """
    length = ids.shape[1]
    ordinary = _ordinary_ids(vocabulary, ids.device)
    if ids.is_cuda:
        draws = streams.draws(Purpose.RANDOM_TOKEN, positions_of(ids)).to(torch.int64)
        tokens = ordinary[(draws * len(ordinary)) >> DRAW_BITS].to(ids.dtype)
        ids.copy_(torch.where(as_bool(is_random), tokens, ids))
        return
    places = is_random.flatten().nonzero().squeeze(1)
    samples = torch.div(places, length, rounding_mode="floor") if length else places
    positions = (places - samples * length).to(torch.int32)
    draws = streams.draws_at(Purpose.RANDOM_TOKEN, samples, positions).to(torch.int64)
    tokens = ordinary.index_select(0, (draws * len(ordinary)) >> DRAW_BITS).to(ids.dtype)
    ids.view(-1).index_copy_(0, places, tokens)
