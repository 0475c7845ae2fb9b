"""Settings of finished runs that get more steps."""

from __future__ import annotations

FLAT = (
    "training.lr_schedule=constant",
    "training.lr_warmup_steps=2",
    "training.keep_checkpoints=0",
)
"""No schedule depends on the number of steps."""

LONGER = "training.max_steps=8"
