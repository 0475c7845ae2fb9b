"""Trains with the stock Trainer, alone or as one of two processes, and keeps what each rank has.

Started by `tests/training/test_stock_trainer_in_ranks.py`: `stock_in_ranks.py OUT POLICY`. Two
micro-batches of one process are those that two processes have in a step.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from stock_runs import Run
from tidemask.processes import ending_early

STEPS = 3
"""Of two batches each: the seventh of an epoch is in none."""


def main(out: Path, policy: str) -> None:
    """Write `OUT-RANK.pt`: masked rows, weights and class losses of a rank."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    run = Run(out, policy, max_steps=STEPS, accumulation=2 // size).train()
    learned = run.collator.class_loss
    torch.save(
        {
            "rows": torch.stack([torch.cat([b["input_ids"], b["labels"]], 1) for b in run.trained]),
            "weights": {name: w.detach() for name, w in run.model.named_parameters()},
            "losses": torch.zeros(0) if learned is None else learned.value(),
        },
        f"{out}-{rank}.pt",
    )


if __name__ == "__main__":
    with ending_early():
        main(Path(sys.argv[1]), sys.argv[2])
