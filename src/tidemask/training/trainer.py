"""The Trainer that masks at the step: ratio and weights are those of the step they train.

All micro-batches of a step are masked on the training device just before the step, when the step
is known; the loss is a sum divided once by a normaliser over the global batch; the per-class losses
of the step are reduced over ranks and weigh the next. What is saved is in `checkpointing.py`.

Dimensions: `S` selected positions, `K` classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils.logging import disable_progress_bar

from tidemask.batch import Batch
from tidemask.batching import BatchDataset, StepSampler, training_loader
from tidemask.errors import UserError
from tidemask.linear_cross_entropy import check_cut_cross_entropy, cut_cross_entropy
from tidemask.masking.masker import Masker
from tidemask.modeling import SelectedPositionsLM
from tidemask.noise import StepKey
from tidemask.run_record import (
    CLASS_LOSS,
    CLASS_SHARE,
    CLASS_WEIGHT,
    MetricValue,
    RunDirectory,
    append_metrics,
)
from tidemask.training.arguments import (
    TrainingSettings,
    trainer_arguments,
    usual_learning_rate,
)
from tidemask.training.checkpointing import CheckpointedTrainer
from tidemask.training.compilation import compile_for_training, mark_changing
from tidemask.training.distributed import all_sum, rank_and_size
from tidemask.training.divergence import not_finite
from tidemask.training.engine import local_part, mark_layers
from tidemask.training.interruption import Interrupted, Interruption, leave_signals_to_parent
from tidemask.training.loss import weighted_sum
from tidemask.training.masked_step import MaskedStep, StepMasking
from tidemask.training.readback import Readback
from tidemask.training.reporting import reportable, tracker_callbacks
from tidemask.training.resume import read_state
from tidemask.training.step_sums import StepSums
from tidemask.training.stopping import StopWhenAsked
from tidemask.training.window import Window

Evaluate = Callable[[SelectedPositionsLM], dict[str, float]]
"""Measures the model as it is; called on every rank, returns the same on each."""

OnStep = Callable[[int, Mapping[str, MetricValue] | None], None]
"""Told every finished step, with the line of metrics if the step was logged."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What happens besides training."""

    evaluate: Evaluate | None = None
    """Measurement whose results join the line of metrics."""
    at_start: Evaluate | None = None
    """Measurement of the starting model; what it returns is a line of metrics of step 0."""
    evaluate_every_steps: int = 0
    """Optimizer steps between measurements, 0 for none; the last step always measures."""
    on_step: OnStep = lambda step, record: None
    """Called on the first rank."""
    callbacks: tuple[TrainerCallback, ...] = ()
    """Callbacks of the Hugging Face Trainer; `on_log` gets the numbers of each line of metrics."""


@dataclass
class _Step:
    """An optimizer step under way, and after it until its sums are taken in."""

    number: int
    ratio: float
    masked: MaskedStep
    sums: StepSums
    micro_batches_left: int
    losses: list[Tensor] = field(default_factory=list)
    is_settled: bool = False


class MaskedLMTrainer(CheckpointedTrainer):
    """Pre-trains with time-variant masking.

    Args:
        model: trained in place.
        settings: of the optimisation.
        masker: the masking policy.
        dataset: training sequences in shuffled order.
        run: where metrics and checkpoints go.
        tokenizer: saved beside the model.
        identity: what a checkpoint must agree with to continue this run; saved with it.
        accumulation_steps: micro-batches per step on each rank, if it is not that of the settings
            because the run continues on another number of ranks.
        hooks: evaluation and progress.
        interruption: says when to stop; nothing stops it if left out.
    """

    def __init__(
        self,
        model: SelectedPositionsLM,
        settings: TrainingSettings,
        *,
        masker: Masker,
        dataset: BatchDataset,
        run: RunDirectory,
        tokenizer: PreTrainedTokenizerBase,
        identity: Mapping[str, Any] | None = None,
        accumulation_steps: int | None = None,
        hooks: Hooks | None = None,
        interruption: Interruption | None = None,
    ) -> None:
        if accumulation_steps is not None:
            settings = replace(settings, gradient_accumulation_steps=accumulation_steps)
        if settings.learning_rate == "auto":
            width = model.language_model.config.hidden_size
            settings = replace(settings, learning_rate=usual_learning_rate(width))
        self.settings = settings
        self.identity = dict(identity or {})
        self.dataset = dataset
        self.tokenizer = tokenizer
        self.masker = masker
        self.run = run
        self.hooks = hooks or Hooks()
        self.class_loss = masker.new_class_loss()
        self.vocabulary_loss = masker.new_vocabulary_loss()
        self.window = Window()
        self.stopping = StopWhenAsked(interruption or Interruption())
        self._unlogged: dict[str, float | None] | None = None
        self._step: _Step | None = None
        self._norms: list[tuple[_Step, Readback]] = []
        self._resume_from: Path | None = None
        if settings.head == "cut_cross_entropy":
            check_cut_cross_entropy()
            model.head_loss = cut_cross_entropy
        mark_layers(model)
        trackers = tracker_callbacks(settings.report_to, run) if rank_and_size()[0] == 0 else []
        if settings.gradient_checkpointing:
            _checkpoint_activations(model.language_model)
        super().__init__(
            model=model,
            args=trainer_arguments(settings, run.root),
            train_dataset=dataset,
            processing_class=tokenizer,
            # Never called, as `compute_loss` is overridden; that there is one tells the Trainer not
            # to divide the loss by the number of micro-batches once more.
            compute_loss_func=weighted_sum,
            callbacks=[*self.hooks.callbacks, *trackers, _StepEnd(self), self.stopping],
        )
        self._masking = StepMasking(masker, self.args.device)
        if settings.compile:
            compile_for_training(model, self.args.device)
        self.remove_callback(PrinterCallback)
        disable_progress_bar()  # type: ignore[no-untyped-call]

    def train_from(self, checkpoint: Path | None) -> None:
        """Train to the last step, from a checkpoint or from the beginning."""
        self._resume_from, self._step = checkpoint, None
        self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    # ---- data ----

    def get_train_dataloader(self) -> DataLoader[Batch]:
        """Micro-batches of this rank from the step at which training starts."""
        start_step = read_state(self._resume_from)["step"] if self._resume_from else 0
        return training_loader(
            self.dataset,
            self._sampler(start_step),
            num_workers=self.settings.loader_workers,
            on_worker_start=leave_signals_to_parent,
        )

    def _sampler(self, start_step: int) -> StepSampler:
        rank, num_ranks = rank_and_size()
        return StepSampler(
            start_step=start_step,
            max_steps=self.settings.max_steps,
            micro_batch_size=self.settings.micro_batch_size,
            accumulation_steps=self.settings.gradient_accumulation_steps,
            rank=rank,
            num_ranks=num_ranks,
        )

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Tensor]], Tensor]:
        """Fetch and mask the micro-batches of the coming step; count its global normaliser."""
        self._started = time.perf_counter()
        self.settle()
        step = self.state.global_step
        progress = step / self.settings.max_steps
        weighed = self.vocabulary_loss or self.class_loss
        masked = self._masking(
            epoch_iterator,
            num_batches,
            progress=progress,
            key=StepKey(self.settings.seed, step),
            class_loss=weighed.value() if weighed else None,
        )
        sums = StepSums(
            len(self.masker.class_names),
            self.masker.vocabulary.size if self.vocabulary_loss else 0,
            device=device,
        )
        sums.add_counts(masked.counts)
        self._step = _Step(step, self.masker.ratio(progress), masked, sums, len(masked.inputs))
        normaliser = torch.tensor([sums.normaliser], dtype=torch.float64, device=device)
        return masked.inputs, all_sum(normaliser)[0].to(torch.float32)

    # ---- loss ----

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """This rank's share of the step's loss, times the number of ranks, which DDP divides by."""
        assert isinstance(num_items_in_batch, Tensor)
        assert self._step is not None
        if self.settings.compile:
            mark_changing(inputs)
        token_loss = model(
            inputs["input_ids"],
            inputs["positions"],
            inputs["targets"],
            attention_mask=inputs.get("attention_mask"),
        )
        selected = len(inputs["classes"])  # the rest fills up to a full multiple
        token_loss = token_loss[:selected]
        summed = weighted_sum(token_loss, inputs.get("loss_weight"))
        self._step.losses.append(summed.detach())
        self._step.sums.add_losses(
            summed.detach(), token_loss.detach(), inputs["classes"], inputs["targets"][:selected]
        )
        loss = summed / num_items_in_batch.clamp(min=1.0) * rank_and_size()[1]
        self._step.micro_batches_left -= 1
        if self._step.micro_batches_left == 0:
            self._step.sums.send()
        return (loss, token_loss) if return_outputs else loss

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        """The gradient norm, kept to be looked at when it is here."""
        norm = super()._get_grad_norm(model, grad_norm)
        assert self._step is not None
        if norm is not None:
            self._norms.append((self._step, Readback(torch.as_tensor(norm).detach())))
        return norm

    def settle(self, *, wholly: bool = False) -> None:
        """Take in what the last step's losses were, and refuse what is not finite.

        On a GPU the losses are here once the forward pass is done; the gradient norm of the last
        step may not be, and is left to the next call unless all is to be settled.

        Raises:
            UserError: a loss or a gradient norm is not finite.
        """
        step = self._step
        if step is not None and not step.is_settled:
            step.is_settled = True
            self._take_in(step)
        while self._norms and (wholly or len(self._norms) > 1 or self._norms[0][1].is_here()):
            of_step, norm = self._norms.pop(0)
            if not bool(torch.isfinite(norm.wait()).all()):
                size = self._sampler(of_step.number).global_batch_size
                samples = list(range(of_step.number * size, (of_step.number + 1) * size))
                raise self._diverged("gradient norm", float(norm.wait()), of_step.number, samples)

    def _take_in(self, step: _Step) -> None:
        totals = step.sums.totals()
        if not math.isfinite(totals.scalar("loss")):
            finite = torch.isfinite(totals.class_loss()).tolist()
            names = [n for n, ok in zip(self.masker.class_names, finite, strict=True) if not ok]
            where = f" ({', '.join(names)})" if names else ""
            raise self._diverged(
                f"training loss{where}",
                totals.scalar("loss"),
                step.number,
                samples=self._samples_not_finite(step),
            )
        if self.class_loss is not None:
            self.class_loss.update(totals.class_loss(), totals.class_count(), step=step.number)
        if self.vocabulary_loss is not None:
            self.vocabulary_loss.update(*totals.vocabulary(), step=step.number)
        self.window.add(totals, ratio=step.ratio)

    def refuse_diverged_weights(self) -> None:
        """Check that every weight is finite, before they are saved.

        Raises:
            UserError: one is not.
        """
        self.settle(wholly=True)
        model: Any = self.model
        for name, weight in model.named_parameters():
            if not bool(torch.isfinite(local_part(weight)).all()):
                step = self.state.global_step - 1
                raise self._diverged(f"weight {name}", math.nan, step, samples=[])

    def _diverged(self, what: str, value: float, step: int, samples: list[int]) -> UserError:
        checkpoints = self.run.checkpoints()
        return not_finite(
            what,
            value,
            step=step,
            samples=samples,
            rows=self.dataset.order.rows(np.asarray(samples, dtype=np.int64)).tolist(),
            checkpoint=checkpoints[-1][1] if checkpoints else None,
        )

    def _samples_not_finite(self, step: _Step) -> list[int]:
        """Samples of those micro-batches, of any rank, whose loss is not; all if none is alone."""
        sampler = self._sampler(step.number)
        size = sampler.global_batch_size
        finite = torch.ones(size, dtype=torch.float64)
        for samples, loss in zip(sampler, step.losses, strict=False):
            finite[torch.tensor(samples) - step.number * size] = float(torch.isfinite(loss))
        num_finite = all_sum(finite)
        found = (num_finite < num_finite.max()).nonzero().flatten().tolist()
        return [step.number * size + number for number in found or range(size)]

    # ---- logging ----

    def end_step(self) -> bool:
        """Stop the clock of the finished step; says whether the step is to be logged."""
        assert self._step is not None
        masked = self._step.masked
        self.window.add_seconds(
            time.perf_counter() - self._started,
            loading=masked.loading_seconds,
            masking=masked.masking_seconds,
        )
        return self._evaluates_now() or self.state.global_step == self.settings.max_steps

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write a line of metrics from our own sums; the Trainer's do not survive a resume.

        A stop asked for during its evaluation leaves the line to the resumed run.
        """
        if "loss" not in logs:
            return
        self.settle(wholly=True)
        shown = {"learning_rate": logs["learning_rate"], "grad_norm": logs.get("grad_norm")}
        try:
            self._write_line(shown)
        except Interrupted as stop:
            self._unlogged = shown
            self.stopping.stopped_by = stop.by
            self.control.should_save = self.control.should_training_stop = True

    def log_what_was_left(self) -> None:
        """Write the line whose evaluation the stop before the resume cut short.

        Raises:
            Interrupted: it is cut short again; the checkpoint still has it.
        """
        if self._unlogged is not None:
            self._write_line(self._unlogged)
            self._unlogged = None

    def _write_line(self, shown: Mapping[str, float | None]) -> None:
        step = self.state.global_step
        record: dict[str, MetricValue] = {
            "step": step,
            "progress": step / self.settings.max_steps,
            **self.window.metrics(),
            **shown,
            **self._class_metrics(),
        }
        if self.hooks.evaluate and (self._evaluates_now() or step == self.settings.max_steps):
            model = self.accelerator.unwrap_model(self.model)
            record.update(self.hooks.evaluate(model))
        self.window.start_anew()
        self._publish(step, record)

    def measure_start(self) -> None:
        """Write the metrics of the starting model as a line of step 0, if that is wanted."""
        if self.hooks.at_start is None or self.state.global_step > 0:
            return
        metrics = self.hooks.at_start(self.accelerator.unwrap_model(self.model))
        if metrics:
            so_far = {"progress": 0.0, "tokens_seen": 0, "predicted_tokens": 0, "wall_seconds": 0.0}
            self._publish(0, {"step": 0, **so_far, **metrics})

    def _publish(self, step: int, record: dict[str, MetricValue]) -> None:
        if self.is_world_process_zero():
            append_metrics(self.run.metrics, record)
            self.hooks.on_step(step, record)
        self.control = self.callback_handler.on_log(
            self.args, self.state, self.control, reportable(record)
        )

    def _evaluates_now(self) -> bool:
        every = self.hooks.evaluate_every_steps
        return bool(every) and self.state.global_step % every == 0

    def _class_metrics(self) -> dict[str, MetricValue]:
        if self.class_loss is None:
            return {}
        values = self.class_loss.value()
        step = self.state.global_step
        weights = self.masker.class_weights(
            values, progress=step / self.settings.max_steps, step=step
        )
        columns: dict[str, list[float]] = {CLASS_LOSS: values.tolist()}
        if weights is not None:
            columns[CLASS_WEIGHT] = weights.tolist()
        columns[CLASS_SHARE] = self.window.class_shares()
        return {
            prefix + name: value
            for prefix, column in columns.items()
            for name, value in zip(self.class_loss.class_names, column, strict=True)
        }

    # ---- state ----

    def own_state(self) -> dict[str, Any]:
        """What continues a run besides weights, optimizer and generators, as plain numbers."""
        self.settle(wholly=True)
        return {
            "step": self.state.global_step,
            "global_batch_size": self._sampler(start_step=0).global_batch_size,
            "identity": self.identity,
            "class_loss": self.class_loss.state_dict() if self.class_loss else None,
            "vocabulary_loss": self.vocabulary_loss.state_dict() if self.vocabulary_loss else None,
            "window": self.window.state_dict(),
            "unlogged": self._unlogged,
        }

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `own_state` gave."""
        self.window.load_state_dict(state["window"])
        self._unlogged = state.get("unlogged")
        if self.class_loss is not None:
            self.class_loss.load_state_dict(state["class_loss"])
        if self.vocabulary_loss is not None:
            self.vocabulary_loss.load_state_dict(state["vocabulary_loss"])


def _checkpoint_activations(model: Any) -> None:
    """Compute each layer again in the backward pass; transformers 5.17 has the older name alone."""
    how = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(how)
    else:
        model.gradient_checkpointing_enable(how)


class _StepEnd(TrainerCallback):
    """Tells the trainer when training begins, and when a step, its logging included, is over."""

    def __init__(self, trainer: MaskedLMTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer.measure_start()
        self._trainer.log_what_was_left()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        if self._trainer.end_step():
            control.should_log = True
        if state.is_world_process_zero and not control.should_log:
            self._trainer.hooks.on_step(state.global_step, None)
        return control
