"""The Trainer that masks at the step: ratio and weights are those of the step they train.

All micro-batches of a step are masked on the training device just before the step, when the step
is known; the loss is a sum divided once by a normaliser over the global batch; the per-class losses
of the step are reduced over ranks and decide the weights of the next. The methods of the Trainer
are overridden here; the work is that of `masked_step` (masking), `step_accounting` (losses),
`metrics_log` (metrics.jsonl), `checkpoint_writer` and `sharding_trainer` (checkpoints).

The file is long, as one class overrides what the Trainer calls, and a reader checks it against the
Trainer's order of calls as a whole.

Dimensions: `S` selected positions, `K` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils.logging import disable_progress_bar

from tidemask.batches.growing_batches import GrowingBatches
from tidemask.batches.stream import BatchDataset, StepSampler, training_loader
from tidemask.children import serve_parent
from tidemask.masking.batch import Batch
from tidemask.masking.masker import Masker
from tidemask.modeling.precision import resolved_precision, tf32_products, usual_device
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.training_flops import training_flops
from tidemask.progress import NoteCallback, ignore
from tidemask.run_record import GRAD_NORM, LEARNING_RATE, MetricValue, RunDirectory
from tidemask.training.argument_checks import check_trainer_arguments
from tidemask.training.arguments import trainer_arguments
from tidemask.training.checkpoint_state import CheckpointState, read_state, write_state
from tidemask.training.checkpoint_writer import CheckpointWriter
from tidemask.training.compilation import mark_changing, set_up_passes
from tidemask.training.distributed import all_sum, on_device, on_every_rank, rank_and_size
from tidemask.training.divergence import Divergence
from tidemask.training.graceful_stop import GracefulStopCallback
from tidemask.training.learning_rate import usual_learning_rate
from tidemask.training.masked_step import StepMasking, weighted_sum
from tidemask.training.metrics_log import MetricsLog, PeriodicEvaluation, StepEndCallback
from tidemask.training.position_scoring import new_position_scoring
from tidemask.training.ratio_loop import MeasureReference, new_ratio_loop
from tidemask.training.settings import TrainingSettings
from tidemask.training.sharding import mark_layers
from tidemask.training.sharding_trainer import ShardingTrainer
from tidemask.training.signals import Interrupted, StopRequest
from tidemask.training.step_accounting import StepAccounting
from tidemask.training.trackers import reportable, tracker_callbacks


class _WhenLoaded(TrainerCallback):
    """Calls `call` before the first step, when all that continues a run was loaded."""

    call: Callable[[], None] = staticmethod(ignore)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.call()


class MaskedLMTrainer(ShardingTrainer):
    """Pre-trains with time-variant masking.

    Args:
        model: trained in place.
        settings: of the optimisation.
        masker: the masking policy.
        dataset: training sequences in shuffled order.
        run: where metrics and checkpoints are written.
        tokenizer: saved beside the model.
        identity: what a checkpoint must agree with to continue this run; saved with it.
        evaluation: what is measured beside training; nothing if left out.
        growth: the batches of `predictions_per_step`; where that is set, and nowhere else.
        measure_reference: what a ratio that follows measurements is rewarded by; for no other.
        on_step_end: called on the first rank after every step, with its line of metrics if it has
            one.
        callbacks: of the Trainer; `on_log` gets the numbers of each line of metrics.
        stop_request: when to stop; nothing stops training if left out.
        on_note: called on the first rank with what a user should know, one sentence at a time.
        check_files: called on every rank before anything is saved; raises a `UserError` where what
            the run reads or writes was changed by others.

    Raises:
        ValueError: an argument of another type; a masker of another vocabulary than the data or
            for another number of steps than the settings; or one whose ratio follows measurements,
            without `measure_reference`.

    Example:
        >>> from pathlib import Path
        >>> from transformers import AutoTokenizer, BertConfig, BertForMaskedLM
        >>> from tidemask import Masker, MaskingSettings, SelectedPositionsLM, Vocabulary
        >>> from tidemask import BatchDataset, RunDirectory, ShuffledOrder, TrainingSettings
        >>> from tidemask import open_corpus
        >>> corpus = open_corpus("corpus")
        >>> tokenizer = AutoTokenizer.from_pretrained(corpus.tokenizer_directory)
        >>> vocabulary = Vocabulary.of_tokenizer(tokenizer)
        >>> order = ShuffledOrder(len(corpus.train), seed=0)
        >>> shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        >>> model = BertForMaskedLM(BertConfig(vocab_size=vocabulary.size, **shape))
        >>> trainer = MaskedLMTrainer(
        ...     SelectedPositionsLM(model),
        ...     TrainingSettings(max_steps=2, micro_batch_size=4),
        ...     masker=Masker(MaskingSettings(), vocabulary, max_steps=2),
        ...     dataset=BatchDataset(corpus.train, order, vocabulary.is_special),
        ...     run=RunDirectory(Path("run")),
        ...     tokenizer=tokenizer,
        ... )
        >>> trainer.train_from(None)
        >>> [step for step, _ in RunDirectory(Path("run")).checkpoints()]
        [2]
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
        evaluation: PeriodicEvaluation | None = None,
        measure_reference: MeasureReference | None = None,
        growth: GrowingBatches | None = None,
        on_step_end: StepEndCallback = ignore,
        callbacks: Sequence[TrainerCallback] = (),
        stop_request: StopRequest | None = None,
        on_note: NoteCallback = ignore,
        check_files: Callable[[], None] = ignore,
    ) -> None:
        check_trainer_arguments(model, settings, masker, dataset, run, growth)
        config = model.language_model.config
        settings = settings.resolved(
            learning_rate=usual_learning_rate(config.hidden_size),
            precision=resolved_precision(settings.precision, usual_device(), config.model_type),
        )
        self.settings = settings
        self.identity = dict(identity or {})
        self.dataset = dataset
        self.growth = growth
        self._stop_request = stop_request or StopRequest()
        self.stopping = GracefulStopCallback(self._stop_request)
        self.checkpoints = CheckpointWriter(run, settings)
        self._resumed: CheckpointState | None = None
        self._check_files = check_files
        arguments = trainer_arguments(settings, run.root)
        flops = training_flops(model, dataset.split.rows([0]).input_ids.shape[1])
        set_up_passes(model, settings, arguments.device)
        mark_layers(model)
        trackers = tracker_callbacks(settings.report_to, run) if rank_and_size()[0] == 0 else []
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=dataset,
            processing_class=tokenizer,
            # Never called, as `compute_loss` is overridden; that there is one keeps the Trainer
            # from dividing the loss by the number of micro-batches once more.
            compute_loss_func=weighted_sum,
            callbacks=[*callbacks, *trackers],
        )
        scoring = new_position_scoring(masker, lambda: self.model_wrapped)
        self._masking = StepMasking(masker, settings, self.args.device, scoring=scoring)
        self._ratio_loop = new_ratio_loop(
            masker, settings, measure_reference, self._measured_model, flops
        )
        self._divergence = Divergence(run, dataset, self._sampler)
        self.accounting = StepAccounting(masker, self._divergence, self.args.device)
        self.metrics_log = MetricsLog(
            run,
            self.accounting,
            evaluation=evaluation or PeriodicEvaluation(),
            max_steps=settings.num_steps,
            flops=flops,
            measured_model=self._measured_model,
            ratio_loop=self._ratio_loop,
            on_step_end=on_step_end,
            on_log=self._call_on_log,
            on_note=on_note,
            check_run=check_files,
        )
        self._loaded = _WhenLoaded()
        self.add_callback(self._loaded)
        self.add_callback(self.metrics_log)
        self.add_callback(self.stopping)
        self.remove_callback(PrinterCallback)
        disable_progress_bar()  # type: ignore[no-untyped-call]

    def train_from(
        self, checkpoint: Path | None, *, when_loaded: Callable[[], None] = ignore
    ) -> None:
        """Train to the last step, from a checkpoint or from the beginning.

        `when_loaded` is called before the first step, with all of the checkpoint loaded.

        Raises:
            Interrupted: a single process was asked to stop while its first step was compiled; later
                than that it returns, and `stopping` says so.
            UserError: a loss is not finite, or something cannot be read or written.
        """
        self._resumed = read_state(checkpoint) if checkpoint else None
        self._loaded.call = when_loaded
        self.accounting.forget_step()
        if self._ratio_loop is not None:
            self._ratio_loop.state = self._resumed.ratio_loop if self._resumed else None
        with tf32_products(True):
            self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    # ---- data ----

    def get_train_dataloader(self) -> DataLoader[Batch]:
        """Micro-batches of this rank from the step at which training starts."""
        start_step = self._resumed.step if self._resumed else 0
        return training_loader(
            self.dataset,
            self._sampler(start_step),
            num_workers=self.settings.loader_workers,
            on_worker_start=serve_parent,
        )

    def _sampler(self, start_step: int) -> StepSampler:
        rank, num_ranks = rank_and_size()
        return StepSampler(
            start_step=start_step,
            max_steps=self.settings.num_steps,
            micro_batch_size=self.settings.micro_batch_size,
            accumulation_steps=self.settings.gradient_accumulation_steps,
            rank=rank,
            num_ranks=num_ranks,
            growth=self.growth,
        )

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Tensor]], Tensor]:
        """Fetch and mask the micro-batches of the coming step; count its global normaliser."""
        self.accounting.start_clock()
        self.accounting.collect()
        step, learned = self.state.global_step, self.accounting.learned_losses
        masked = self._masking(
            epoch_iterator, num_batches, step=step, class_loss=learned, ratio=self._ratio_of(step)
        )
        self.accounting.open_step(masked)
        normaliser = masked.counts.normaliser
        if rank_and_size()[1] > 1:
            normaliser = all_sum(on_device(normaliser, device))
        return masked.inputs, normaliser.to(torch.float32)

    def _ratio_of(self, step: int) -> float | None:
        """The ratio of a step that follows measurements; `None` for that of the schedule."""
        if self._ratio_loop is None:
            return None
        if self._ratio_loop.begins_block(step):
            self.accounting.collect(everything=True)  # the tokens of all steps before it
        return self._ratio_loop.begin_step(step, self.accounting.window)

    def _measured_model(self) -> SelectedPositionsLM:
        model: SelectedPositionsLM = self.accelerator.unwrap_model(self.model)
        return model

    # ---- loss ----

    def training_step(self, *arguments: Any, **options: Any) -> Tensor:
        """Forward and backward pass of a micro-batch; the first ones compile, for minutes at times.

        A stop need not wait for that: nothing is lost before the first step of a process. Several
        ranks have to stop together.
        """
        is_first = self.state.global_step == (self._resumed.step if self._resumed else 0)
        heeds = self.settings.compile and is_first and rank_and_size()[1] == 1
        with self._stop_request.heeded() if heeds else nullcontext():
            return super().training_step(*arguments, **options)

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
        sums = self.accounting.sums
        scored = model(
            inputs["input_ids"],
            inputs["positions"],
            inputs["targets"],
            attention_mask=inputs.get("attention_mask"),
            output="loss_and_choice" if sums.needs_first_choice else "loss",
        )
        selected = len(inputs["classes"])  # the rest fills up to a full multiple
        token_loss, *choice = scored if isinstance(scored, tuple) else (scored,)
        token_loss = token_loss[:selected]
        summed = weighted_sum(token_loss, inputs.get("loss_weight"))
        sums.add_losses(
            summed.detach(),
            token_loss.detach(),
            inputs["classes"],
            inputs["targets"][:selected],
            *(first[:selected] for first in choice),
        )
        loss = summed / num_items_in_batch.clamp(min=1.0) * rank_and_size()[1]
        return (loss, token_loss) if return_outputs else loss

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        """The gradient norm, kept until it is on the host."""
        norm = super()._get_grad_norm(model, grad_norm)
        if norm is not None:
            self.accounting.add_norm(norm)
        return norm

    def refuse_diverged_weights(self) -> None:
        """Check that every loss, gradient norm and weight so far is finite, before it is saved.

        Raises:
            UserError: one is not.
        """
        self.accounting.collect(everything=True)
        model: Any = self.model
        self._divergence.check_weights(model, self.state.global_step - 1)

    def refuse_changed_files(self) -> None:
        """Check that all which the run reads and writes is as it was; every rank must call it.

        Lines of metrics that were lost are written again.

        Raises:
            UserError: something was changed by others.
        """

        def check() -> None:
            self._check_files()
            if rank_and_size()[0] == 0:
                self.metrics_log.file.restore()

        on_every_rank(check)

    # ---- metrics ----

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write a line of metrics; a stop requested during its evaluation leaves it to resume."""
        if "loss" not in logs:
            return
        optimisation = {LEARNING_RATE: logs["learning_rate"], GRAD_NORM: logs.get("grad_norm")}
        try:
            self.metrics_log.log_step(self.state.global_step, optimisation)
        except Interrupted as stop:
            self.stopping.stopped_by = stop.by
            self.control.should_save = self.control.should_training_stop = True

    def _call_on_log(self, record: Mapping[str, MetricValue]) -> None:
        self.control = self.callback_handler.on_log(
            self.args, self.state, self.control, reportable(record)
        )

    # ---- checkpoints ----

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        self.refuse_diverged_weights()
        self.refuse_changed_files()
        plain = (self._save_optimizer_and_scheduler, self._save_scaler, self._save_rng_state)
        self.checkpoints.write(self.state.global_step, (self.save_model, *plain, self._save_state))

    def _save_state(self, output_dir: str) -> None:
        """Save what continues a run besides weights, optimizer and generators, as plain numbers."""
        if not self.args.should_save:
            return
        # The Trainer counts from where this process began; there is one epoch, the whole run.
        self.state.epoch = self.state.global_step / self.state.max_steps
        self.state.save_to_json(str(Path(output_dir) / "trainer_state.json"))
        state = CheckpointState(
            step=self.state.global_step,
            global_batch_size=self._sampler(start_step=0).global_batch_size,
            identity=self.identity,
            unlogged=self.metrics_log.unlogged,
            num_lines=self.metrics_log.file.num_lines,
            lines_sha256=self.metrics_log.file.sha256,
            ratio_loop=self._ratio_loop.state if self._ratio_loop else None,
            **vars(self.accounting.state()),
        )
        write_state(Path(output_dir), state)

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        assert self._resumed is not None, "train_from reads the state"
        self.metrics_log.unlogged = self._resumed.unlogged
        self.accounting.restore(self._resumed)
