"""The Trainer's arguments, as they follow from the settings of the optimisation."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import TrainingArguments

from tidemask.modeling.launcher_settings import without_launcher_settings
from tidemask.modeling.precision import check_precision, usual_device
from tidemask.training.learning_rate import learning_rate_curve
from tidemask.training.settings import TrainingSettings
from tidemask.training.sharding import sharding_arguments


def trainer_arguments(settings: TrainingSettings, output: Path) -> TrainingArguments:
    """Arguments for the Trainer; what tidemask does itself is switched off in it.

    The filter for NaN losses is off because it would hide them; skipping data on resume is off
    because the sampler computes its position; several devices in one process are off. What a
    launcher asks for beside the settings does not count.

    Raises:
        UserError: the GPU does not have the precision.
    """
    assert settings.learning_rate != "auto" != settings.precision, "settings are resolved first"
    check_precision("training.precision", settings.precision, usual_device())
    with without_launcher_settings():
        arguments = TrainingArguments(
            output_dir=str(output),
            max_steps=settings.num_steps,
            per_device_train_batch_size=settings.micro_batch_size,
            gradient_accumulation_steps=settings.gradient_accumulation_steps,
            learning_rate=settings.learning_rate,
            **learning_rate_curve(settings),
            **sharding_arguments(settings.sharding),
            warmup_steps=settings.num_warmup_steps(),
            weight_decay=settings.weight_decay,
            adam_beta1=settings.adam_beta1,
            adam_beta2=settings.adam_beta2,
            adam_epsilon=settings.adam_epsilon,
            max_grad_norm=settings.max_grad_norm,
            use_cpu=not torch.cuda.is_available(),
            bf16=settings.precision == "bf16",
            tf32=False if torch.cuda.is_available() else None,  # `train_from` alone allows it
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
            report_to=[],  # `trackers.py` makes the callbacks
            run_name=output.name,
            disable_tqdm=True,
        )
    # One process uses one device; with more, the Trainer would split `positions`, which index the
    # whole batch. Several devices are several processes, under torchrun.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments
