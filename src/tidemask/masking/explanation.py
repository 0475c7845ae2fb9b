"""Why masks are what they are: unit, weight and chance of each position, and what it is due to.

For a reader of a preview; training asks for none of it. The masks themselves are the masker's.

Dimensions: `B` sequences, `L` positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int32, Int64
from torch import Tensor

from tidemask.masking.batch import Batch
from tidemask.masking.masker import Masker
from tidemask.masking.noise import DRAW_BITS, Purpose, Streams, positions_of
from tidemask.masking.part import AtStep, PartMasker
from tidemask.masking.selection import Ratio, Weights, inclusion_of_groups, looked_up
from tidemask.masking.sequence_draws import part_of_sequences, ratio_of_sequences


@dataclass(frozen=True)
class ExplainedSequence:
    """How the positions of one sequence were drawn.

    Attributes:
        part: the part of the policy that masks it, by its place in `MaskingSettings.parts`.
        ratio: its masking ratio.
        unit: where the unit of each position starts.
        weight: of each position, as a multiple of the mean weight of the maskable tokens; of a
            mixture, the share-weighted mean of its weightings. 1 where all are equal.
        inclusion: probability with which each position is drawn, 0 where it is not maskable; given
            the spans, where those are drawn, too. `None` under a fixed budget, where it has no
            closed form.
        due_to: the weighting that each drawn position is due to, by its place among those that
            have a share at the step; -1 where nothing is drawn.
    """

    part: int
    ratio: float
    unit: Int32[Tensor, "L"]
    weight: Float64[Tensor, "L"]
    inclusion: Float64[Tensor, "L"] | None
    due_to: Int64[Tensor, "L"]


def explained(
    masker: Masker, batch: Batch, at: AtStep, ratio: float | None = None
) -> list[ExplainedSequence]:
    """How each sequence of a batch is masked at a step.

    Under a mixture a unit is drawn where its draw `u` in [0, 1) is below `sum of share[i] * pi[i]`.
    It is due to the weighting `k` with `u` from the sum of those before `k` up to the sum with it:
    so a weighting has its share of the budget in expectation, and more of what it prefers.

    Args:
        masker: of the policy.
        batch: unmasked sequences, on a CPU.
        at: where in the run; with the class losses and scores that the masker is called with.
        ratio: the masking ratio, where it follows measurements; `None` for that of the schedule.

    Raises:
        ValueError: as `Masker.__call__`.
    """
    settings, device = masker.settings, batch.input_ids.device
    streams = masker.streams(batch, at.key)
    mean_ratio = masker.ratio(at.progress) if ratio is None else ratio
    ratios = ratio_of_sequences(settings.per_sequence, mean_ratio, streams, device)
    of_each = torch.as_tensor(ratios, dtype=torch.float64).expand(len(batch.input_ids), 1)
    numbers = [number for number, share in enumerate(settings.shares(at.progress)) if share > 0.0]
    shared = masker.parts_at(at.progress)
    chosen = torch.zeros(len(batch.input_ids), 1, dtype=torch.int32)
    if len(shared) > 1:
        chosen = part_of_sequences([share for share, _ in shared], streams, device)
    by_part = [_explained_part(part, batch, streams, ratios, at) for _, part in shared]
    found = []
    for row, place in enumerate(chosen.flatten().tolist()):
        unit, weight, inclusion, due_to = by_part[place]
        found.append(
            ExplainedSequence(
                part=numbers[place],
                ratio=float(of_each[row]),
                unit=unit[row],
                weight=weight[row],
                inclusion=None if inclusion is None else inclusion[row],
                due_to=due_to[row],
            )
        )
    return found


def _explained_part(
    part: PartMasker, batch: Batch, streams: Streams, ratio: Ratio, at: AtStep
) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """Unit, weight, inclusion probability and weighting of each position, all sequences by one."""
    drawn = part.draw(batch, batch.input_ids, streams, ratio, at).selection.mask < 0
    starts, shared = part.weighted_units(batch, streams, at)
    places = positions_of(batch.input_ids) if starts is None else starts
    unit = places.expand(batch.input_ids.shape)
    weight = sum(share * relative_weights(batch, weights) for share, weights in shared)
    assert isinstance(weight, Tensor), "a policy has a weighting at any step"
    if part.settings.budget == "fixed":
        return unit, weight, None, torch.where(drawn, 0, -1)
    chances = [share * _chances(batch, weights, ratio) for share, weights in shared]
    sums = torch.stack(chances).cumsum(0)
    uniform = streams.draws(Purpose.SELECTION, places) * 2.0**-DRAW_BITS
    # The last sum is rounded otherwise than the masker's: what was drawn is due to one of them.
    due_to = (uniform >= sums[:-1]).sum(0)
    return unit, weight, sums[-1].clamp(max=1.0), torch.where(drawn, due_to, -1)


def relative_weights(batch: Batch, weights: Weights | None) -> Float64[Tensor, "B L"]:
    """Weights as multiples of their mean over the maskable tokens of each sequence."""
    maskable = batch.maskable.to(torch.float64)
    if weights is None:
        return maskable
    each = weights.values
    each = each if weights.classes is None else looked_up(each, weights.classes)
    each = each.to(torch.float64) * maskable
    mean = each.sum(1, keepdim=True) / maskable.sum(1, keepdim=True).clamp(min=1.0)
    return each / torch.where(mean > 0, mean, 1.0)


def _chances(batch: Batch, weights: Weights | None, ratio: Ratio) -> Float64[Tensor, "B L"]:
    """Inclusion probability of each position under one weighting."""
    maskable = batch.maskable.to(torch.float64)
    if weights is None:
        return maskable * ratio
    inclusion, _ = inclusion_of_groups(batch.maskable, weights, ratio)
    inclusion = inclusion.to(torch.float64)
    if weights.classes is not None:
        inclusion = inclusion.gather(1, weights.classes)
    return inclusion * maskable
