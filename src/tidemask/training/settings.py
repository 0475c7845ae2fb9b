"""Settings of the optimisation: how long, how much at once, how fast, and what is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from tidemask.masking.policy import MaskingSettings
from tidemask.masking.schedule import Schedule
from tidemask.modeling.settings import Precision, PrecisionChoice
from tidemask.settings import (
    MAX_BATCH,
    Settings,
    check_at_least,
    check_integer,
    check_share,
    check_share_below_one,
)
from tidemask.training.tracker_names import AUTO, check_tracker_names

Sharding = Literal["none", "fsdp2"]
"""Whether every process holds all parameters, or a shard of them."""

MAX_COUNT = 2**31 - 1
"""Largest count of steps or sequences; noise is keyed by 32-bit steps."""

_MAX_LOADER_WORKERS = 64
"""Of each training process; they only read, for the masks are drawn where the step is done."""

_MAXIMA = {
    "micro_batch_size": MAX_BATCH,
    "gradient_accumulation_steps": MAX_BATCH,
    "loader_workers": _MAX_LOADER_WORKERS,
}

LENGTHS = ("max_steps", "max_epochs", "max_tokens")
"""Settings that say how long a run is; one of them is set."""

DEFAULT_STEPS = 2000
"""Length of a run where none is set."""

_COUNTS = ("micro_batch_size", "gradient_accumulation_steps")
_FROM_ZERO = ("keep_checkpoints", "loader_workers", "weight_decay", "max_grad_norm", "adam_epsilon")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """How long, how much at once, how fast, and what is kept.

    Example:
        >>> TrainingSettings(max_steps=0)
        Traceback (most recent call last):
        ValueError: ...max_steps=0...
    """

    max_steps: int | None = None
    """Planned optimizer steps, the clock of every schedule; 2000 unless another length is set. At
    most one of `max_steps`, `max_epochs` and `max_tokens` is."""
    max_epochs: float | None = None
    """Passes over the training rows, above 0. The steps that it comes to stand in run.yaml."""
    max_tokens: float | None = None
    """Tokens to be read, special ones included, padding left out; at least 1. The steps that it
    comes to stand in run.yaml."""
    micro_batch_size: int = 64
    """Sequences in one forward pass on one device; at most so many with `predictions_per_step`."""
    gradient_accumulation_steps: int = 1
    """Micro-batches per optimizer step on each device."""
    predictions_per_step: int | None = None
    """Tokens to be predicted in each step over all devices, at least 1: micro-batches grow as the
    masking ratio falls. With a length in steps. `None` gives every step as many sequences."""
    learning_rate: float | Literal["auto"] = "auto"
    """Peak learning rate; `auto` is what is usual for the width of the model, see
    `usual_learning_rate`. The number stands in run.yaml."""
    lr_schedule: Literal["linear", "cosine", "constant", "wsd"] = "linear"
    """Curve of the learning rate after its warm-up; all but `constant` end at 0. `wsd` (warm-up,
    stable, decay) keeps its peak until the decay."""
    lr_warmup_steps: int | Literal["auto"] = "auto"
    """Optimizer steps in which the learning rate rises from 0; `auto` is 6 % of the run."""
    lr_decay_steps: int | Literal["auto"] = "auto"
    """Last optimizer steps, in which `wsd` goes down to 0; `auto` is 10 % of the run."""
    lr_decay_shape: Literal["linear", "cosine", "1-sqrt"] = "linear"
    """Curve of the decay of `wsd`."""
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
    precision: PrecisionChoice = "auto"
    """Arithmetic of the forward and backward pass; weights stay in float32. `auto` is bf16 where
    the GPU or the instructions of the CPU multiply in it, else float32; which one stands in
    run.yaml. A GPU multiplies float32 in TF32."""
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
    """Processes that read ahead, at most 64; 0 reads in the training process."""
    sharding: Sharding = "none"
    """Whether each of several processes holds the whole model (`none`) or a shard (`fsdp2`)."""
    report_to: str | tuple[str, ...] = AUTO
    """Trackers besides metrics.jsonl: a name or a list of names that transformers knows, `none`, or
    `auto` for TensorBoard where it is installed."""
    source_shares: dict[str, float | Schedule] = field(default_factory=dict)
    """Shares in which the sources of the corpus are drawn, by name: numbers in [0, 1] or schedules
    of them, divided by their sum. With none, all rows are read once, then all again."""
    seed: int = 0
    """Of initial weights, data order, masks and dropout; in [0, 2**32)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_length()
        for name in (*_COUNTS, "logging_steps", "save_steps"):
            check_at_least(name, getattr(self, name), 1)
        for name in _FROM_ZERO:
            check_at_least(name, getattr(self, name), 0)
        for name, maximum in _MAXIMA.items():
            if getattr(self, name) > maximum:
                raise ValueError(f"{name}={getattr(self, name)}. Expected at most {maximum}.")
        for name in ("adam_beta1", "adam_beta2"):
            check_share_below_one(name, getattr(self, name))
        if self.head == "cut_cross_entropy" and self.precision == "float32":
            raise ValueError(
                f"head={self.head} with precision={self.precision}. Expected precision=bf16, the "
                "type of its kernels."
            )
        self._check_learning_rate()
        self._check_source_shares()
        self._check_predictions()
        check_tracker_names(self.report_to)
        if not 0 <= self.seed < 1 << 32:
            raise ValueError(f"seed={self.seed}. Expected an integer from 0 to 2**32 - 1.")

    def _check_length(self) -> None:
        stated = {n: getattr(self, n) for n in LENGTHS if getattr(self, n) is not None}
        if len(stated) > 1:
            seen = " and ".join(f"{name}={value:g}" for name, value in stated.items())
            raise ValueError(
                f"{seen}. Expected one length: max_steps, max_epochs or max_tokens; null unsets "
                "the others."
            )
        if not stated:
            object.__setattr__(self, "max_steps", DEFAULT_STEPS)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, minimum=1, below=MAX_COUNT + 1)
        if self.max_epochs is not None and not 0.0 < self.max_epochs < math.inf:
            raise ValueError(f"max_epochs={self.max_epochs:g}. Expected a number above 0.")
        if self.max_tokens is not None:
            check_at_least("max_tokens", self.max_tokens, 1)

    @property
    def num_steps(self) -> int:
        """Planned optimizer steps.

        Raises:
            ValueError: the length is not stated in steps, and no corpus has made steps of it.
        """
        if self.max_steps is None:
            name = "max_tokens" if self.max_epochs is None else "max_epochs"
            raise ValueError(
                f"{name}={getattr(self, name):g}. Expected max_steps where no corpus says how many "
                "steps that is; `tidemask.pretrain` plans them."
            )
        return self.max_steps

    def _check_learning_rate(self) -> None:
        for name in ("learning_rate", "lr_warmup_steps", "lr_decay_steps"):
            if getattr(self, name) != "auto":
                check_at_least(name, getattr(self, name), 0)
        if self.max_steps is None:
            return
        if self.num_warmup_steps() > self.max_steps:
            raise ValueError(
                f"lr_warmup_steps={self.lr_warmup_steps}. "
                f"Expected at most max_steps={self.max_steps}."
            )
        together = self.num_warmup_steps() + self.num_decay_steps()
        if self.lr_schedule == "wsd" and together > self.max_steps:
            raise ValueError(
                f"lr_decay_steps={self.lr_decay_steps}. Expected at most "
                f"max_steps={self.max_steps} together with {self.num_warmup_steps()} of warm-up."
            )

    def _check_source_shares(self) -> None:
        numbers = {n: s for n, s in self.source_shares.items() if isinstance(s, int | float)}
        for name, share in numbers.items():
            check_share(f"source_shares.{name}", share)
        if (
            self.source_shares
            and len(numbers) == len(self.source_shares)
            and not any(numbers.values())
        ):
            raise ValueError(
                f"source_shares of {', '.join(numbers)} are all 0. Expected one above 0."
            )

    def _check_predictions(self) -> None:
        """Refuse what does not go with steps of different sizes."""
        if self.predictions_per_step is None:
            return
        check_at_least("predictions_per_step", self.predictions_per_step, 1)
        stated = f"predictions_per_step={self.predictions_per_step}"
        for name in ("max_epochs", "max_tokens"):
            if (length := getattr(self, name)) is not None:
                raise ValueError(
                    f"{stated} with {name}={length:g}. Expected max_steps, as the sequences of a "
                    "step depend on how many steps there are."
                )
        if self.compile:
            raise ValueError(
                f"{stated} with compile=true. Expected compile=false: the model would be compiled "
                "again for every size of a micro-batch."
            )

    def sequences_per_step(self, num_ranks: int) -> int:
        """The global batch of so many processes; the largest, where batches grow."""
        return self.micro_batch_size * self.gradient_accumulation_steps * num_ranks

    def resolved(self, *, learning_rate: float, precision: Precision) -> TrainingSettings:
        """The same with what `auto` stands for.

        Args:
            learning_rate: the peak that is usual for the model.
            precision: the one that is quick on the device.

        Raises:
            ValueError: the precision is not one that another setting needs.
        """
        rate = learning_rate if self.learning_rate == "auto" else self.learning_rate
        decay = self.num_decay_steps() if self.lr_schedule == "wsd" else self.lr_decay_steps
        return replace(
            self,
            learning_rate=rate,
            lr_warmup_steps=self.num_warmup_steps(),
            lr_decay_steps=decay,
            precision=precision if self.precision == "auto" else self.precision,
        )

    def num_warmup_steps(self) -> int:
        """Optimizer steps in which the learning rate rises."""
        if self.lr_warmup_steps == "auto":
            return round(0.06 * self.num_steps)
        return self.lr_warmup_steps

    def num_decay_steps(self) -> int:
        """Optimizer steps in which the learning rate of `wsd` falls."""
        if self.lr_decay_steps == "auto":
            return round(0.1 * self.num_steps)
        return self.lr_decay_steps

    def to_wait_for(self) -> list[str]:
        """What takes long before the first step, one sentence each."""
        if not self.compile:
            return []
        return ["Compiling the model (training.compile): the first step takes a minute or more."]

    def ineffective_settings(self) -> list[str]:
        """Settings that change nothing, one sentence each."""
        return [
            f"training.{name}={getattr(self, name)} has no effect: "
            f"training.lr_schedule is {self.lr_schedule}, not wsd."
            for name, default in (("lr_decay_steps", "auto"), ("lr_decay_shape", "linear"))
            if getattr(self, name) != default and self.lr_schedule != "wsd"
        ]


def check_head_for(masking: MaskingSettings, training: TrainingSettings) -> None:
    """Refuse a head that does not give what the weights of a policy follow.

    Raises:
        ValueError: they follow accuracy, and the head's kernels return losses alone.
    """
    statistic = getattr(masking.learning, "statistic", None)
    if statistic == "accuracy" and training.head != "fused":
        raise ValueError(
            f"training.head={training.head} with masking.content.statistic={statistic}. Expected "
            "head=fused: the kernels of the other return losses and no first choices."
        )
