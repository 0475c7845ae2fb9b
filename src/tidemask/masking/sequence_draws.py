"""What each sequence of a step draws: its ratio around the schedule, and its part of a mixture.

Dimension: `B` sequences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from tidemask.masking.bitmask import below
from tidemask.masking.noise import DRAW_BITS, Purpose, Streams
from tidemask.masking.sequence_ratio import PerSequence, RatioMixture, Same, UniformAround
from tidemask.settings import check_share

_PART_OF_POLICY, _PART_OF_RATIO = 0, 1
"""Positions in the stream `PART`: of the part of the policy, and of the distribution of ratios."""

_ATTEMPTS = 16
"""Proposals of the rejection sampler. One is rejected with probability below 0.05, all sixteen with
probability below 1e-20; then the last is taken."""


def ratio_of_sequences(
    per_sequence: PerSequence, ratio: float, streams: Streams, device: torch.device
) -> float | Float[Tensor, "B 1"]:
    """The ratio of each sequence, in [0, 1] and float64, or the scheduled one for all.

    Args:
        per_sequence: the distribution.
        ratio: scheduled ratio, in [0, 1].
        streams: noise with the purpose `SEQUENCE_RATIO`, and with `PART` for a mixture.
        device: of the batch.
    """
    check_share("ratio", ratio)
    if isinstance(per_sequence, RatioMixture):
        return _of_mixture(per_sequence, ratio, streams, device)
    if isinstance(per_sequence, Same) or ratio in (0.0, 1.0):
        return ratio
    if isinstance(per_sequence, UniformAround):
        low, high = per_sequence.interval(ratio)
        return low + (high - low) * _uniform(streams, 1, device)
    c = per_sequence.concentration
    uniform = _uniform(streams, 2 * (2 * _ATTEMPTS + 1), device)
    first, second = uniform.chunk(2, dim=1)
    log_odds = _log_gamma_variate(c * ratio, first) - _log_gamma_variate(c * (1.0 - ratio), second)
    return torch.sigmoid(log_odds)


def _of_mixture(
    mixture: RatioMixture, ratio: float, streams: Streams, device: torch.device
) -> Float[Tensor, "B 1"]:
    """The ratio of each sequence from the part that it draws; all parts read the same noise."""
    part = _drawn_part(mixture.shares, _PART_OF_RATIO, streams, device)
    ratios = torch.zeros(part.shape, dtype=torch.float64, device=device)
    for number, mean in enumerate(mixture.means(ratio)):
        of_part = ratio_of_sequences(mixture.parts[number].of, mean, streams, device)
        ratios = torch.where(part == number, of_part, ratios)
    return ratios


def part_of_sequences(
    shares: Sequence[float], streams: Streams, device: torch.device
) -> Int32[Tensor, "B 1"]:
    """Number of the part of a policy by which each sequence is masked.

    Args:
        shares: of the parts; they add up to 1.
        streams: noise with the purpose `PART`.
        device: of the batch.
    """
    return _drawn_part(shares, _PART_OF_POLICY, streams, device)


def _drawn_part(
    shares: Sequence[float], place: int, streams: Streams, device: torch.device
) -> Int32[Tensor, "B 1"]:
    """Number of the part that each sequence's draw falls to: the range of the draws is divided."""
    # Written on the device itself: a copy would wait for a GPU.
    places = torch.full((1,), place, dtype=torch.int32, device=device)
    draws = streams.draws(Purpose.PART, places)
    part = torch.full_like(draws, len(shares) - 1)
    total = 0.0
    for share in shares[:-1]:
        total += share
        part.add_(below(draws, min(1.0, total)))
    return part


def _uniform(streams: Streams, count: int, device: torch.device) -> Tensor:
    """Uniform numbers in (0, 1], float64 [B, count]."""
    places = torch.arange(count, dtype=torch.int32, device=device)
    draws = streams.draws(Purpose.SEQUENCE_RATIO, places)
    return (draws.to(torch.float64) + 1.0) * 2.0**-DRAW_BITS


def _log_gamma_variate(shape: float, uniform: Tensor) -> Tensor:
    """Logarithm of a Gamma variate of each row, by rejection from a normal proposal.

    For shapes below 1, the variate of `shape + 1` times `U^(1 / shape)`; in logarithms, since
    for small shapes it is smaller than any floating-point number.

    Args:
        shape: above 0.
        uniform: numbers in (0, 1], [B, 2 * _ATTEMPTS + 1].

    Returns:
        float64 [B, 1].

    References:
        Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).
    """
    d = shape + 1.0 - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    normal = torch.special.ndtri(uniform[:, :_ATTEMPTS].clamp(max=1.0 - 2.0**-33))
    cube = (1.0 + c * normal).clamp(min=1e-3) ** 3
    accept = uniform[:, _ATTEMPTS : 2 * _ATTEMPTS]
    log_limit = 0.5 * normal**2 + d - d * cube + d * torch.log(cube)
    accepted = (torch.log(accept) < log_limit) & (1.0 + c * normal > 0)
    accepted[:, -1] = True
    first = accepted.to(torch.int8).argmax(1, keepdim=True)
    variate = torch.log(d * cube.gather(1, first))
    return variate + torch.log(uniform[:, -1:]) / shape
