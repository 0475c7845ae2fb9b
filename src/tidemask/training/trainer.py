"""The Trainer that masks at the step: ratio and weights are those of the step they train.

All micro-batches of a step are masked on the training device just before the step, when the step
is known; the loss is a sum divided once by a normaliser over the global batch; the per-class losses
of the step are reduced over ranks and weigh the next. What runs where is in `engine.py`, what is
saved in `checkpointing.py`, what is logged in `logged.py`, what losses teach in `accounting.py`.

Dimensions: `S` selected positions, `K` classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback
from transformers.utils.logging import disable_progress_bar

from tidemask.batches.stream import BatchDataset, StepSampler, training_loader
from tidemask.masking.batch import Batch
from tidemask.masking.masker import Masker
from tidemask.masking.noise import StepKey
from tidemask.modeling import SelectedPositionsLM
from tidemask.modeling.linear_cross_entropy import check_cut_cross_entropy, cut_cross_entropy
from tidemask.run_record import RunDirectory
from tidemask.training.arguments import TrainingSettings, trainer_arguments, usual_learning_rate
from tidemask.training.checkpoint_files import read_state
from tidemask.training.compilation import compile_for_training, mark_changing
from tidemask.training.distributed import all_sum, on_device, rank_and_size
from tidemask.training.divergence import Divergence
from tidemask.training.graceful_stop import GracefulStopCallback
from tidemask.training.logging_trainer import Hooks, LoggedTrainer, StepEnd
from tidemask.training.masked_step import StepMasking, weighted_sum
from tidemask.training.sharding import local_part, mark_layers
from tidemask.training.signals import StopRequest, leave_signals_to_parent
from tidemask.training.step_accounting import StepAccounting
from tidemask.training.trackers import tracker_callbacks


class MaskedLMTrainer(LoggedTrainer):
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
        stop_request: says when to stop; nothing stops it if left out.
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
        stop_request: StopRequest | None = None,
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
        self.stopping = GracefulStopCallback(stop_request or StopRequest())
        self.unlogged = None
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
            callbacks=[*self.hooks.callbacks, *trackers, StepEnd(self), self.stopping],
        )
        self._masking = StepMasking(masker, self.args.device)
        self._divergence = Divergence(run, dataset, self._sampler)
        self.accounting = StepAccounting(masker, self._divergence, self.args.device)
        if settings.compile:
            compile_for_training(model, self.args.device)
        self.remove_callback(PrinterCallback)
        disable_progress_bar()  # type: ignore[no-untyped-call]

    def train_from(self, checkpoint: Path | None) -> None:
        """Train to the last step, from a checkpoint or from the beginning."""
        self._resume_from = checkpoint
        self.accounting.forget_open_step()
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
        self.started = time.perf_counter()
        self.accounting.settle()
        step = self.state.global_step
        progress = step / self.settings.max_steps
        masked = self._masking(
            epoch_iterator,
            num_batches,
            progress=progress,
            key=StepKey(self.settings.seed, step),
            class_loss=self.accounting.losses(),
        )
        ours = self.accounting.open(step, masked, ratio=self.masker.ratio(progress))
        normaliser = torch.tensor([ours], dtype=torch.float64)
        if rank_and_size()[1] > 1:
            normaliser = all_sum(on_device(normaliser, device))
        return masked.inputs, normaliser[0].to(torch.float32)

    # ---- loss ----

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """This rank's share of the step's loss, times the number of ranks, which DDP divides by."""
        assert isinstance(num_items_in_batch, Tensor), "get_batch_samples gives a tensor"
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
        self.accounting.add_losses(
            summed.detach(), token_loss.detach(), inputs["classes"], inputs["targets"][:selected]
        )
        loss = summed / num_items_in_batch.clamp(min=1.0) * rank_and_size()[1]
        return (loss, token_loss) if return_outputs else loss

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        """The gradient norm, kept to be looked at when it is here."""
        norm = super()._get_grad_norm(model, grad_norm)
        if norm is not None:
            self.accounting.add_norm(norm)
        return norm

    def refuse_diverged_weights(self) -> None:
        """Check that every weight is finite, before they are saved.

        Raises:
            UserError: one is not.
        """
        self.accounting.settle(wholly=True)
        model: Any = self.model
        parts = ((name, local_part(weight)) for name, weight in model.named_parameters())
        wrong = [name for name, part in parts if not bool(torch.isfinite(part).all())]
        if float(all_sum(torch.tensor([float(len(wrong))], dtype=torch.float64))) > 0.0:
            name = wrong[0] if wrong else "of another process"
            step = self.state.global_step - 1
            raise self._divergence.error(f"weight {name}", math.nan, step, samples=[])

    # ---- state ----

    def own_state(self) -> dict[str, Any]:
        """What continues a run besides weights, optimizer and generators, as plain numbers."""
        return {
            "step": self.state.global_step,
            "global_batch_size": self._sampler(start_step=0).global_batch_size,
            "identity": self.identity,
            "unlogged": self.unlogged,
            **self.accounting.state_dict(),
        }

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `own_state` gave."""
        self.unlogged = state.get("unlogged")
        self.accounting.load_state_dict(state)


def _checkpoint_activations(model: Any) -> None:
    """Compute each layer again in the backward pass; transformers 5.17 has the older name alone."""
    how = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(how)
    else:
        model.gradient_checkpointing_enable(how)
