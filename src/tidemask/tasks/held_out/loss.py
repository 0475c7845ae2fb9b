"""Held-out loss at fixed maskings: the same text, the same positions, whatever the recipe.

Tokens are masked uniformly and independently at 5, 15 and 30 per cent, every selected position
shows the mask token, and the draws are fixed by a seed of their own. A loss at one of these alone
favours the recipe that trained at it, so all are always measured.

Dimension: `V` vocabulary entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from tidemask.batches.stream import BatchDataset
from tidemask.masking.batch import HEAD_MULTIPLE, Batch
from tidemask.masking.bitmask import as_bool
from tidemask.masking.corruption import Vocabulary
from tidemask.masking.noise import Purpose, StepKey, Streams, positions_of
from tidemask.masking.selection import select_expected
from tidemask.modeling import SelectedPositionsLM
from tidemask.run_record import HELD_OUT_PERCENTS, UNIGRAM_ENTROPY
from tidemask.settings import Settings, check_at_least
from tidemask.tasks.held_out.sums import HeldOutSums, MeasuredTokens, Reduce
from tidemask.token_classes import NO_CLASS

_SEED = 20230710
"""Of the fixed draws; never the seed of a run."""


@dataclass(frozen=True, kw_only=True)
class HeldOutSettings(Settings):
    """How held-out loss is measured; the same for every recipe."""

    every_steps: int = 0
    """Optimizer steps between two measurements during training; 0 measures ten times a run."""
    sequences: int = 256
    """Sequences read by each measurement during training, evenly spaced; 0 reads all."""
    draws: int = 1
    """Fixed maskings per ratio during training, at least 1."""
    final_sequences: int = 0
    """Sequences read by the measurement after training; 0 reads all."""
    final_draws: int = 4
    """Fixed maskings per ratio after training, at least 1."""
    batch_size: int = 64
    """Sequences in one forward pass."""
    at_start: bool | Literal["auto"] = "auto"
    """Whether the starting model is measured before the first step; `auto` does so for a model that
    was trained before."""

    def __post_init__(self) -> None:
        for name in ("every_steps", "sequences", "final_sequences"):
            check_at_least(name, getattr(self, name), 0)
        for name in ("draws", "final_draws", "batch_size"):
            check_at_least(name, getattr(self, name), 1)

    def interval(self, max_steps: int) -> int:
        """Steps between two measurements in a run of `max_steps`."""
        return self.every_steps or max(1, max_steps // 10)

    def measures_start(self, *, is_warm: bool) -> bool:
        """Whether the starting model is measured, `is_warm` where it was trained before."""
        return is_warm if self.at_start == "auto" else self.at_start


@torch.no_grad()
def held_out_metrics(
    model: SelectedPositionsLM,
    dataset: BatchDataset,
    vocabulary: Vocabulary,
    *,
    class_names: Sequence[str],
    num_sequences: int,
    num_draws: int,
    batch_size: int,
    bands: Int[Tensor, "V"] | None = None,
    rank: int = 0,
    num_ranks: int = 1,
    reduce: Reduce = lambda vector: vector,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, float]:
    """Held-out loss at 5, 15 and 30 per cent, overall, per class and per band.

    The model is put into evaluation mode and back; nothing random is drawn from a generator.

    Args:
        model: on its device.
        dataset: the held-out split in stored order.
        vocabulary: mask token.
        class_names: names of the token classes; may be empty.
        num_sequences: how many sequences, evenly spaced; 0 for all.
        num_draws: fixed maskings per ratio.
        batch_size: sequences in one forward pass.
        bands: of each vocabulary entry, as `frequency_bands` gives them; `None` measures none.
        rank: this process; it reads its share of the batches.
        num_ranks: number of processes.
        reduce: sums a vector over ranks.
        on_progress: told the batches done and their number, equally often on every rank; what it
            raises ends the measurement.

    Returns:
        By name, nats per token: `held_out/loss_15`, its `_standard_error`, `held_out/loss_15/NOUN`
        for each class that occurs, `held_out/loss_15/frequency/0-50` for each band that does, and
        so on. Empty if the split is empty.
    """
    samples = _evenly_spaced(len(dataset.split), num_sequences)
    chunks = [samples[i : i + batch_size] for i in range(0, len(samples), batch_size)]
    sums = {percent: HeldOutSums.zeros(len(class_names)) for percent in HELD_OUT_PERCENTS}
    unused = {percent: HeldOutSums.zeros(len(class_names)) for percent in HELD_OUT_PERCENTS}
    rounds = -(-len(chunks) // num_ranks)
    device = next(model.parameters()).device
    with _evaluating(model):
        for done in range(rounds):
            number = done * num_ranks + rank
            # Ranks of a sharded model must run it equally often: the last rounds repeat, uncounted.
            batch = dataset.__getitems__(chunks[min(number, len(chunks) - 1)]).to(device)
            counted = sums if number < len(chunks) else unused
            _add_batch(counted, model, batch, vocabulary, bands, num_draws)
            on_progress(done + 1, rounds)
    metrics: dict[str, float] = {}
    for percent, one in sums.items():
        metrics |= one.reduced(reduce).metrics(percent, class_names)
    return metrics


def _add_batch(
    sums: dict[int, HeldOutSums],
    model: SelectedPositionsLM,
    batch: Batch,
    vocabulary: Vocabulary,
    bands: Tensor | None,
    num_draws: int,
) -> None:
    for percent, one in sums.items():
        maskings = _maskings(batch, vocabulary, percent, num_draws)
        draws = [_measured(model, batch, bands, *masking) for masking in maskings]
        one.add(MeasuredTokens.joined(draws), len(batch.sample_ids))


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Without dropout, and in float32 whatever the training's precision.

    Accelerate puts autocast around a model's `forward`, as an attribute of the instance; a model
    before and after training is measured without it, and so is the one in between.
    """
    was_training = model.training
    model.eval()
    around = model.__dict__.pop("forward", None)
    try:
        yield
    finally:
        if around is not None:
            model.__dict__["forward"] = around
        model.train(was_training)


def unigram_entropy(dataset: BatchDataset) -> float:
    """Entropy of the maskable tokens of the whole split, nats: the best loss without context."""
    counts = dataset.token_counts().numpy()
    share = counts[counts > 0] / max(1, counts.sum())
    return float(-(share * np.log(share)).sum())


def final_metrics(
    metrics: dict[str, float], dataset: BatchDataset, num_sequences: int
) -> dict[str, float]:
    """Held-out metrics with the split's unigram entropy and the number of sequences read."""
    return {
        **metrics,
        UNIGRAM_ENTROPY: unigram_entropy(dataset),
        "num_sequences": len(_evenly_spaced(len(dataset.split), num_sequences)),
    }


def _maskings(
    batch: Batch, vocabulary: Vocabulary, percent: int, num_draws: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and selected positions of each fixed draw."""
    positions = positions_of(batch.input_ids)
    for draw in range(num_draws):
        streams = Streams(StepKey(_SEED, draw), batch.sample_ids, [Purpose.HELD_OUT])
        draws = streams.draws(Purpose.HELD_OUT, positions)
        selected = as_bool(select_expected(draws, batch.maskable, None, percent / 100).mask)
        yield batch.input_ids.masked_fill(selected, vocabulary.mask_id), selected


def _measured(
    model: SelectedPositionsLM,
    batch: Batch,
    bands: Tensor | None,
    inputs: Tensor,
    selected: Tensor,
) -> MeasuredTokens:
    """The selected tokens, in the order of their positions."""
    positions = selected.flatten().nonzero().squeeze(1)
    filled = torch.nn.functional.pad(positions, (0, -len(positions) % HEAD_MULTIPLE))
    targets = batch.input_ids.flatten()[filled]
    # No plain call: a model that was compiled for training would be compiled for this as well. Nor
    # `forward`: without its hooks, the shards of a sharded model are not brought together.
    loss: Tensor = model._call_impl(  # type: ignore[no-untyped-call]
        inputs, filled, targets, batch.attention_mask
    )[: len(positions)]
    if batch.token_class is None:
        classes = torch.full_like(positions, NO_CLASS)
    else:
        classes = batch.token_class.flatten()[positions].long()
    return MeasuredTokens(
        loss=loss.double().cpu(),
        token_class=classes.cpu(),
        band=None if bands is None else bands[targets[: len(positions)].cpu()],
        sequence=(positions // inputs.shape[1]).cpu(),
    )


def _evenly_spaced(size: int, wanted: int) -> list[int]:
    number = size if wanted == 0 else min(size, wanted)
    return [i * size // number for i in range(number)]
