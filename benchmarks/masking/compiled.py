"""What fusing would give: the masking of uniform tokens as one function under `torch.compile`.

The package does not compile: `torch.compile` of the whole `Masker` breaks into a dozen graphs, each
compiled for seconds, and is slower than none. This is the same policy written as one expression,
from the same keys to the same masks; it is compared with `Masker` before it is timed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmarks.masking.candidates import Candidate
from benchmarks.masking.data import MaskingData
from benchmarks.masking.policies import FIRST_STEP, RATIO, policies
from benchmarks.masking.policies import alone as eager
from tidemask import StepKey
from tidemask.masking.noise import DRAW_BITS, Purpose, Streams

GROUP = "torch.compile"
POLICY = "token, uniform, expected"

_PURPOSES = (Purpose.SELECTION, Purpose.CORRUPTION, Purpose.RANDOM_TOKEN)
_DRAW_MASK = (1 << DRAW_BITS) - 1
_MIX_0, _MIX_1 = 0x7FEB352D, 0x846CA68B - (1 << 32)
_SELECTED, _MASK_TOKEN, _RANDOM = (round(share * 2**DRAW_BITS) for share in (RATIO, 0.8, 0.9))


def _draws(positions: Tensor, keys: Tensor, lane: int) -> Tensor:
    """As `Streams.draws`, without temporaries once it is compiled."""
    x = positions * keys[:, 2 * lane + 1, None] + keys[:, 2 * lane, None]
    x = (x ^ ((x >> 16) & 0xFFFF)) * _MIX_0
    x = (x ^ ((x >> 15) & 0x1FFFF)) * _MIX_1
    return (x ^ ((x >> 16) & 0xFFFF)) & _DRAW_MASK


def masked(
    ids: Tensor, maskable: Tensor, keys: Tensor, ordinary: Tensor, mask_id: int
) -> tuple[Tensor, Tensor]:
    """Masked ids and labels of uniform tokens at 15 %, shares 0.8, 0.1, 0.1."""
    positions = torch.arange(ids.shape[1], dtype=torch.int32)
    selected = (_draws(positions, keys, 0) < _SELECTED) & maskable
    kind = _draws(positions, keys, 1)
    drawn = _draws(positions, keys, 2).to(torch.int64)
    random = ordinary[(drawn * ordinary.shape[0]) >> DRAW_BITS]
    shown = torch.where(kind < _MASK_TOKEN, mask_id, torch.where(kind < _RANDOM, random, ids))
    return torch.where(selected, shown, ids), torch.where(selected, ids, -100)


def candidates(data: MaskingData) -> list[Candidate]:
    """The compiled pass.

    Raises:
        RuntimeError: it does not give the masks of `Masker`.
    """
    batch, vocabulary = data.batch, data.language.vocabulary
    compiled = torch.compile(masked, dynamic=False)
    ordinary = vocabulary.ordinary_ids

    def call(step: int) -> Any:
        streams = Streams(StepKey(seed=1, step=FIRST_STEP + step), batch.sample_ids, _PURPOSES)
        return compiled(
            batch.input_ids, batch.maskable, streams._keys, ordinary, vocabulary.mask_id
        )

    masker = eager(next(p for p in policies() if p.name == POLICY), data)
    for step in range(3):
        expected, (ids, labels) = masker.call(step), call(step)
        if not (torch.equal(ids, expected.input_ids) and torch.equal(labels, expected.labels)):
            raise RuntimeError(f"the compiled pass differs from {POLICY} at step {step}")
    return [
        Candidate(
            group=GROUP,
            policy=POLICY,
            mode="alone",
            call=call,
            labels=lambda pair: pair[1],
            share=RATIO,
        )
    ]
