"""Trains a run and keeps what every rank saw: masks and gradients of each step.

Started by `test_distributed.py`, alone or under torchrun: `observed_run.py RUN OUT`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from small_runs import trainer_of
from tidemask.masking.batch import IGNORE_INDEX
from tidemask.processes import ending_early
from tidemask.run_record import RunDirectory
from tidemask.training.distributed import (
    join_launched_processes,
    leave_launched_processes,
    rank_and_size,
)


class Observation(TrainerCallback):
    """What one rank saw.

    Attributes:
        rows: per step, sequences with their labels behind them, [B, 2 L] on this rank.
        gradients: per step, by name, before the optimizer uses them.
        sharded: whether parameters were cut into shards.
    """

    def __init__(self) -> None:
        self.rows: list[torch.Tensor] = []
        self.gradients: list[dict[str, torch.Tensor]] = []
        self.sharded = False

    def add(self, inputs: list[dict[str, torch.Tensor]]) -> None:
        """Keep the micro-batches of a step."""
        self.rows.append(torch.cat([_row(micro_batch) for micro_batch in inputs]))

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        gradients = {n: p.grad for n, p in kwargs["model"].named_parameters() if p.grad is not None}
        self.sharded = any(isinstance(g, DTensor) for g in gradients.values())
        self.gradients.append(
            {n: (g.full_tensor() if isinstance(g, DTensor) else g.clone()) for n, g in
             gradients.items()}
        )  # fmt: skip


def _row(micro_batch: dict[str, torch.Tensor]) -> torch.Tensor:
    labels = torch.full_like(micro_batch["input_ids"], IGNORE_INDEX).flatten()
    filled = len(micro_batch["classes"])
    labels[micro_batch["positions"][:filled]] = micro_batch["targets"][:filled]
    return torch.cat([micro_batch["input_ids"], labels.view_as(micro_batch["input_ids"])], dim=1)


def observe(run: RunDirectory) -> Observation:
    """Train a run and keep what this rank saw."""
    trainer = trainer_of(run)
    observed = Observation()
    trainer.add_callback(observed)
    fetch = trainer.get_batch_samples

    def fetch_and_see(*arguments: Any) -> Any:
        inputs, normaliser = fetch(*arguments)
        observed.add(inputs)
        return inputs, normaliser

    trainer.get_batch_samples = fetch_and_see
    trainer.train_from(None)
    return observed


if __name__ == "__main__":
    with ending_early():
        join_launched_processes()
        seen = observe(RunDirectory(Path(sys.argv[1])))
        torch.save(vars(seen), f"{sys.argv[2]}-{rank_and_size()[0]}.pt")
        leave_launched_processes()
