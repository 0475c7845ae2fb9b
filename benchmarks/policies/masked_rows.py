"""Rows of a run's text, masked as its policy did at a step: which positions were chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tidemask.corpus.store.columns import open_column
from tidemask.masking.batch import Batch
from tidemask.masking.noise import StepKey
from tidemask.modeling.loading import load_model
from tidemask.run_record import RunDirectory
from tidemask.runs.config import read_run_config
from tidemask.runs.corpus_masker import build_masker
from tidemask.runs.started_on import inputs_of

ROWS = 2048
"""Rows that are masked to count how often a token of a kind is."""

SCORED_ROWS = 256
"""Rows that the model scores."""


class MaskedRows(NamedTuple):
    """Rows and what was selected of them; scores of positions, nats, where a policy has them."""

    batch: Batch
    selected: Tensor
    scores: Tensor | None


def mask_rows(
    run: Path,
    *,
    rows: int = ROWS,
    step: int | None = None,
    score: Callable[[Tensor], Tensor] | None = None,
) -> MaskedRows:
    """Mask the first rows that a run read, as its policy does at a step.

    Args:
        run: its directory.
        rows: how many, at most as many as the corpus has.
        step: 0-based; the last one if left out.
        score: scores of the positions of rows of ids.
    """
    config = read_run_config(RunDirectory(run).config)
    data = inputs_of(config)
    steps = config.training.num_steps
    masker = build_masker(config.recipe, config.masking, data, steps)
    rows = min(rows, len(data.corpus.train))
    step = steps - 1 if step is None else step
    batch = data.training_set(config.training.seed).__getitems__(list(range(rows)))
    masked = masker(
        batch,
        progress=step / steps,
        key=StepKey(config.training.seed, step),
        scores=(scores := score(batch.input_ids) if score else None),
    )
    return MaskedRows(batch, masked.selected, scores)


def entropy_of(run: Path) -> Callable[[Tensor], Tensor]:
    """The entropy of the predictions of a run's final model at each position, nats."""
    model = load_model(RunDirectory(run).model).eval()

    def entropy(ids: Tensor) -> Tensor:
        with torch.no_grad():
            logs = model(input_ids=ids.long()).logits.float().log_softmax(-1)
        return -(logs.exp() * logs).sum(-1)

    return lambda ids: torch.cat([entropy(some) for some in ids.split(32)])


def chances_by_class(run: Path, column: str) -> dict[str, float]:
    """Per cent of the tokens of each class of a column that were masked, and of all others."""
    found = mask_rows(run)
    corpus = inputs_of(read_run_config(RunDirectory(run).config)).corpus
    names = open_column(corpus, column).manifest.class_names
    classes = found.batch.columns[column]
    kinds = {name: classes == number for number, name in enumerate(names)}
    kinds["others"] = classes >= len(names)
    return {
        name: _per_cent(found.selected, found.batch.maskable & kind) for name, kind in kinds.items()
    }


def chances_by_fifth(found: MaskedRows, values: Tensor) -> list[float]:
    """Per cent of the maskable tokens that were masked, in fifths of them by ascending values."""
    maskable = found.batch.maskable
    order = np.argsort(values[maskable].numpy(), kind="stable")
    selected = found.selected[maskable].numpy()[order]
    return [100 * float(part.mean()) for part in np.array_split(selected, 5)]


def mean_length(found: MaskedRows) -> float:
    """Mean number of masked tokens side by side."""
    begun = found.selected.clone()
    begun[:, 1:] &= ~found.selected[:, :-1]
    return float(found.selected.sum() / begun.sum().clamp(min=1))


def _per_cent(selected: Tensor, where: Tensor) -> float:
    return 100 * float(selected[where].double().mean()) if bool(where.any()) else 0.0
