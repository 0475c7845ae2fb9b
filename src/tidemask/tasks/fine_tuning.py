"""Fine-tuning by the Hugging Face Trainer: the same settings for every model.

The learning-rate grid is that of the BERT miniatures (Turc et al. 2019, "Well-Read Students Learn
Better", section 4), whose lower half is about that of BERT (Devlin et al. 2019, appendix A.3);
three epochs, batches of 32 sequences, linear decay after a tenth of warm-up and no early stopping
are BERT's.
"""

from __future__ import annotations

import dataclasses
import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from tidemask.modeling.launcher_settings import without_launcher_settings
from tidemask.modeling.loading import quietly
from tidemask.modeling.precision import (
    check_precision,
    resolved_precision,
    tf32_products,
    usual_device,
)
from tidemask.modeling.settings import PrecisionChoice
from tidemask.progress import ProgressCallback, ignore
from tidemask.settings import (
    MAX_BATCH,
    Settings,
    check_at_least,
    check_integer,
    check_share,
    check_share_below_one,
)
from tidemask.tasks.predicting import Collator, Feature

_MAX_SEEDS, _MAX_EPOCHS = 1000, 10_000


@dataclass(frozen=True, kw_only=True)
class FineTuneSettings(Settings):
    """How every model is fine-tuned on every task, unless a user's task sets its own."""

    epochs: float = 3.0
    """Passes over the training examples, above 0."""
    batch_size: int = 32
    """Examples per optimizer step."""
    learning_rates: tuple[float, ...] = (3e-5, 5e-5, 1e-4, 3e-4)
    """Peak learning rates that the first seed tries; the best on the dev set serves all seeds."""
    num_seeds: int = 3
    """Seeds 0, 1, ...: of the head, the order of the examples and dropout."""
    max_length: int = 128
    """Longest sequence, tokens, special ones included; longer ones are cut and counted."""
    warmup_share: float = 0.1
    """Share of the steps in which the learning rate rises, in [0, 1]."""
    weight_decay: float = 0.01
    """Decoupled weight decay of all parameters but norms and biases."""
    adam_beta2: float = 0.999
    """Decay of the squared gradient's running mean, in [0, 1)."""
    adam_epsilon: float = 1e-6
    """Added to the denominator of AdamW."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm; 0 leaves them."""
    precision: PrecisionChoice = "auto"
    """Arithmetic of fine-tuning; predictions are in float32. `auto` is bf16 where the GPU or the
    instructions of the CPU multiply in it, else float32."""
    max_train_examples: int = 0
    """The first so many training examples of a fixed shuffle; 0 takes all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("batch_size", self.batch_size, minimum=1, below=MAX_BATCH + 1)
        check_integer("num_seeds", self.num_seeds, minimum=1, below=_MAX_SEEDS + 1)
        for name in ("weight_decay", "adam_epsilon", "max_grad_norm", "max_train_examples"):
            check_at_least(name, getattr(self, name), 0)
        check_integer("max_length", self.max_length, minimum=8, below=MAX_BATCH + 1)
        check_share("warmup_share", self.warmup_share)
        check_share_below_one("adam_beta2", self.adam_beta2)
        if not 0 < self.epochs <= _MAX_EPOCHS:
            raise ValueError(
                f"epochs={self.epochs:g}. Expected a number above 0 and at most {_MAX_EPOCHS:,}."
            )
        if not self.learning_rates:
            raise ValueError("learning_rates=[]. Expected at least one.")
        for rate in self.learning_rates:
            if not 0 < rate < float("inf"):
                raise ValueError(f"learning_rates={rate:g}. Expected numbers above 0.")
        rates = tuple(sorted(set(self.learning_rates)))
        object.__setattr__(self, "learning_rates", rates)

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds."""
        return tuple(range(self.num_seeds))

    def described(self, model_type: str) -> dict[str, Any]:
        """What decides the score of a seed: everything but how many seeds there are.

        Args:
            model_type: the architecture, by transformers' name; `auto` precision depends on it.
        """
        fields = dataclasses.asdict(self)
        del fields["num_seeds"]
        precision = resolved_precision(self.precision, usual_device(), model_type)
        return {**fields, "precision": precision}


def fine_tune(
    model: PreTrainedModel,
    features: Sequence[Feature],
    settings: FineTuneSettings,
    *,
    collator: Collator,
    learning_rate: float,
    seed: int,
    on_progress: ProgressCallback = ignore,
) -> None:
    """Train a model with its head, in place; the global generator is left as it was.

    Args:
        model: on its device.
        features: training examples, with labels.
        settings: of the training.
        collator: makes the batches.
        learning_rate: the peak.
        seed: of the order of the examples and of dropout.
        on_progress: called with the number of optimizer steps done and their total; what it raises
            ends training.
    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        quietly(),
        _generators_restored(),
        without_launcher_settings(),
        tf32_products(True),
    ):
        trainer = Trainer(
            model=model,
            args=_arguments(
                settings, scratch, model, len(features), learning_rate=learning_rate, seed=seed
            ),
            train_dataset=features,  # any sequence will do
            data_collator=collator,
            callbacks=[_ReportSteps(on_progress)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    # Without Accelerate's autocast around `forward`: predictions are in float32.
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    model.train(False)


@contextmanager
def _generators_restored() -> Iterator[None]:
    """Restore every global generator that the Trainer seeds."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002  # the Trainer seeds the legacy generator


class _ReportSteps(TrainerCallback):
    """Reports progress after every optimizer step."""

    def __init__(self, on_progress: ProgressCallback) -> None:
        self._on_progress = on_progress

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._on_progress("fine-tuning", state.global_step, state.max_steps)


def _arguments(
    settings: FineTuneSettings,
    scratch: str,
    model: PreTrainedModel,
    num_examples: int,
    *,
    learning_rate: float,
    seed: int,
) -> TrainingArguments:
    num_steps = settings.epochs * math.ceil(num_examples / settings.batch_size)
    device, architecture = model.device.type, str(model.config.model_type)
    precision = resolved_precision(settings.precision, device, architecture)
    check_precision("fine_tuning.precision", precision, device)
    arguments = TrainingArguments(
        output_dir=scratch,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(settings.warmup_share * num_steps),
        weight_decay=settings.weight_decay,
        adam_beta2=settings.adam_beta2,
        adam_epsilon=settings.adam_epsilon,
        max_grad_norm=settings.max_grad_norm,
        use_cpu=device == "cpu",
        bf16=precision == "bf16",
        tf32=False if torch.cuda.is_available() else None,
        optim="adamw_torch_fused",
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=seed,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # a task runs on one device
    return arguments
