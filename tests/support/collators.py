"""Rows by number, collators of several policies, and what the masker makes of the same rows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from tidemask import Batch, Masker, MaskingCollator, MaskingSettings, StepKey, Vocabulary
from tidemask.masking.corruption import Corruption
from tidemask.masking.schedule import Constant, Linear
from tidemask.masking.sequence_ratio import UniformAround
from tidemask.masking.spans import SpanLengths
from tidemask.masking.weighting import ByClassLoss
from tidemask.token_classes import NO_CLASS

BATCH = 2
"""Rows in a batch of `loader_of`."""
V, PAD, MASK, SEED = 60, 0, 4, 11
VOCABULARY = Vocabulary.of(V, MASK, range(5))
NAMES = ("DET", "NOUN", "VERB")
FALLING = Linear(start=0.8, end=0.1)
BY_LOSS = ByClassLoss(horizon_steps=1, blend_in=False)
BY_LOSS_OF_ENTRIES = replace(BY_LOSS, classes="vocabulary")
POLICIES = {
    "tokens": MaskingSettings(ratio=FALLING, unit="token"),
    "words": MaskingSettings(ratio=FALLING),
    "words, fixed budget": MaskingSettings(ratio=FALLING, budget="fixed"),
    "spans of tokens": MaskingSettings(ratio=FALLING, unit="span", spans=SpanLengths(of="token")),
    "class loss": MaskingSettings(ratio=FALLING, content=BY_LOSS),
    "loss of entries": MaskingSettings(ratio=FALLING, content=BY_LOSS_OF_ENTRIES),
    "masked diffusion": MaskingSettings(
        ratio=Constant(ratio=0.5),
        unit="token",
        per_sequence=UniformAround(half_width=0.5),
        loss_weight="inverse_ratio",
        corruption=Corruption(mask=1.0, random=0.0, keep=0.0),
    ),
}


@cache
def row_of(number: int, length: int = 24) -> dict[str, Any]:
    """A sequence of a dataset: the same number gives the same row."""
    rng = np.random.default_rng(number)
    ids = rng.integers(5, V, length).astype(np.uint16)
    ids[0], ids[-1] = 2, 3
    return {
        "input_ids": ids,
        "word_starts": rng.random(length) < 0.7,
        "token_class": rng.choice([0, 1, 2, NO_CLASS], length).astype(np.uint8),
        "sample_id": number,
        "row": number,
    }


def batch_of(rows: list[dict[str, Any]]) -> Batch:
    """Rows of one length as the masker reads them."""
    ids = torch.tensor(np.stack([row["input_ids"] for row in rows]).astype(np.int64))
    return Batch(
        input_ids=ids,
        maskable=ids >= 5,
        word_starts=torch.tensor(np.stack([row["word_starts"] for row in rows])),
        token_class=torch.tensor(np.stack([row["token_class"] for row in rows])),
        sample_ids=torch.tensor([row["sample_id"] for row in rows]),
    )


def collator_of(policy: str | MaskingSettings, max_steps: int, **others: Any) -> MaskingCollator:
    chosen = POLICIES[policy] if isinstance(policy, str) else policy
    settings = {"pad_id": PAD, "seed": SEED, "class_names": NAMES, **others}
    return MaskingCollator(chosen, VOCABULARY, max_steps=max_steps, **settings)


@cache
def masker_of(policy: str, max_steps: int) -> Masker:
    return Masker(POLICIES[policy], VOCABULARY, class_names=NAMES, max_steps=max_steps)


def expected(
    policy: str, rows: list[dict[str, Any]], step: int, max_steps: int, losses: Any = None
) -> dict[str, torch.Tensor]:
    """What the pure masker makes of the rows at a step."""
    masked = masker_of(policy, max_steps)(
        batch_of(rows), progress=step / max_steps, key=StepKey(SEED, step), class_loss=losses
    )
    return {"input_ids": masked.input_ids, "labels": masked.labels}


def same(batch: dict[str, torch.Tensor], reference: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(batch[name], value) for name, value in reference.items())


def zeros(collator: MaskingCollator) -> list[torch.Tensor]:
    """Class losses of a step in which nothing was predicted."""
    if collator.class_loss is None:
        return []
    return [torch.zeros(len(collator.class_loss.class_names), dtype=torch.float64)] * 2


class Rows(Dataset[dict[str, Any]]):
    """Rows by number; `num_batches` batches of `BATCH`."""

    def __init__(self, num_batches: int) -> None:
        self.num_rows = BATCH * num_batches

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, number: int) -> dict[str, Any]:
        return row_of(number)


def loader_of(data: Any, collator: MaskingCollator, workers: int, **others: Any) -> Any:
    if workers and "multiprocessing_context" not in others:
        others["multiprocessing_context"] = "fork"
    return DataLoader(data, batch_size=BATCH, collate_fn=collator, num_workers=workers, **others)


def is_for(batch: dict[str, Any], step: int, max_steps: int, policy: str = "words") -> bool:
    """Whether it is masked exactly as the pure masker masks its rows at that step."""
    rows = [row_of(number) for number in batch["row"].tolist()]
    return same(batch, expected(policy, rows, step, max_steps))
