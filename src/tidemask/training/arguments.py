"""Settings of the optimisation, and the Trainer arguments that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from transformers import TrainingArguments

from tidemask.settings import Settings, check_at_least, check_share_below_one

_LARGEST = 2**31 - 1
"""Largest count of steps or sequences; noise is keyed by 32-bit steps."""


_MINIMA = {
    "max_steps": 1,
    "micro_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "logging_steps": 1,
    "save_steps": 1,
    "keep_checkpoints": 0,
    "loader_workers": 0,
    "weight_decay": 0,
    "max_grad_norm": 0,
    "learning_rate": 0,
    "adam_epsilon": 0,
}


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """How long, how much at once, how fast, and what is kept."""

    max_steps: int = 2000
    """Planned optimizer steps; the clock of every schedule."""
    micro_batch_size: int = 64
    """Sequences in one forward pass on one device."""
    gradient_accumulation_steps: int = 1
    """Micro-batches per optimizer step on each device."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    lr_schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Curve of the learning rate after its warm-up; all but `constant` end at 0."""
    lr_warmup_steps: int | Literal["auto"] = "auto"
    """Optimizer steps in which the learning rate rises from 0; `auto` is 6 % of the run."""
    weight_decay: float = 0.01
    """Decoupled weight decay of all parameters but norms and biases."""
    adam_beta1: float = 0.9
    """Decay of the gradient's running mean, in [0, 1)."""
    adam_beta2: float = 0.98
    """Decay of the squared gradient's running mean, in [0, 1)."""
    adam_epsilon: float = 1e-6
    """Added to the denominator of AdamW."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm; 0 leaves them."""
    precision: Literal["float32", "bf16"] = "float32"
    """Arithmetic of the forward and backward pass; weights stay in float32."""
    compile: bool = False
    """Whether `torch.compile` fuses the model. The first step then takes a minute; it needs a C++
    compiler on a CPU, and Triton on a GPU."""
    head: Literal["fused", "cut_cross_entropy"] = "fused"
    """How the vocabulary projection and its loss are computed at the selected positions: `fused`
    keeps one matrix of logits; `cut_cross_entropy` none, on a GPU, with the extra tidemask[cce]."""
    gradient_checkpointing: bool = False
    """Whether each layer is computed again in the backward pass: less memory, a third slower."""
    logging_steps: int = 50
    """Optimizer steps between two lines of metrics.jsonl."""
    save_steps: int = 500
    """Optimizer steps between two checkpoints; the last step always makes one."""
    keep_checkpoints: int = 3
    """Newest checkpoints that are kept; 0 keeps all."""
    loader_workers: int = 0
    """Processes that read ahead; 0 reads in the training process."""
    seed: int = 0
    """Of initial weights, data order, masks and dropout; in [0, 2**32)."""

    def __post_init__(self) -> None:
        for name, minimum in _MINIMA.items():
            check_at_least(name, getattr(self, name), minimum)
        for name in ("max_steps", "micro_batch_size", "gradient_accumulation_steps"):
            if getattr(self, name) > _LARGEST:
                raise ValueError(f"{name}={getattr(self, name)}. Expected at most {_LARGEST}.")
        for name in ("adam_beta1", "adam_beta2"):
            check_share_below_one(name, getattr(self, name))
        if self.lr_warmup_steps != "auto":
            check_at_least("lr_warmup_steps", self.lr_warmup_steps, 0)
            if self.lr_warmup_steps > self.max_steps:
                raise ValueError(
                    f"lr_warmup_steps={self.lr_warmup_steps}. "
                    f"Expected at most max_steps={self.max_steps}."
                )
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"seed={self.seed}. Expected an integer in [0, 2**32).")

    def num_warmup_steps(self) -> int:
        """Optimizer steps in which the learning rate rises."""
        if self.lr_warmup_steps == "auto":
            return round(0.06 * self.max_steps)
        return self.lr_warmup_steps


def trainer_arguments(settings: TrainingSettings, output: Path) -> TrainingArguments:
    """Arguments for the Trainer; what tidemask does itself is switched off in it.

    The filter for NaN losses is off because it would hide them; skipping data on resume is off
    because the sampler computes its position; several devices in one process are off.
    """
    schedules = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
    arguments = TrainingArguments(
        output_dir=str(output),
        max_steps=settings.max_steps,
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=schedules[settings.lr_schedule],
        warmup_steps=settings.num_warmup_steps(),
        weight_decay=settings.weight_decay,
        adam_beta1=settings.adam_beta1,
        adam_beta2=settings.adam_beta2,
        adam_epsilon=settings.adam_epsilon,
        max_grad_norm=settings.max_grad_norm,
        use_cpu=not torch.cuda.is_available(),
        bf16=settings.precision == "bf16",
        optim="adamw_torch_fused",
        logging_steps=settings.logging_steps,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=settings.save_steps,
        eval_strategy="no",
        seed=settings.seed,
        ignore_data_skip=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        report_to=[],
        disable_tqdm=True,
    )
    # One process uses one device; with more, the Trainer would split `positions`, which index the
    # whole batch. Several devices are several processes, under torchrun.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments
