"""The masker in the stock Trainer: a collator, one callback, and a loss where the policy needs it.

    collator = MaskingCollator.for_tokenizer(load_recipe("ptw-mrd").masking, tokenizer, ...)
    masking = StockTrainerMasking(collator)
    Trainer(
        model, args, train_dataset=rows, data_collator=collator,
        callbacks=[masking], compute_loss_func=masking.compute_loss,
    )

`MaskedLMTrainer` does more (exact global normaliser, head at the selected positions, bit-exact
resume, metrics of the masking); this is for programs that have a Trainer of their own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from tidemask.batches.collator import LOSS_WEIGHT, NUM_MASKABLE, MaskingCollator
from tidemask.masking.class_loss import class_loss_sums
from tidemask.masking.class_statistic import ClassStatistic
from tidemask.masking.statistic_sums import class_statistic_sums
from tidemask.modeling.linear_cross_entropy import cross_entropy_and_choice
from tidemask.settings import shown
from tidemask.training.distributed import all_sum, rank_and_size

_FOR_LOSS = ("token_class", LOSS_WEIGHT, NUM_MASKABLE)


class StockTrainerMasking(TrainerCallback, ExportableState):
    """Keeps the collator at the Trainer's step and class losses, and saves both in checkpoints.

    While the model is in evaluation mode the collator masks for evaluation: uniform tokens at one
    ratio, the same at every evaluation. A policy that learns from class losses masks by those of as
    many steps ago as the Trainer's loader may be ahead, so that masks do not depend on chance.

    Args:
        collator: the Trainer's `data_collator`; its `max_steps` and `accumulation_steps` are the
            Trainer's.

    Example:
        >>> from transformers import BertConfig, BertForMaskedLM, Trainer, TrainingArguments
        >>> from tidemask import MaskingCollator, StockTrainerMasking, Vocabulary, load_recipe
        >>> vocabulary = Vocabulary.of(50, 4, range(5))
        >>> policy = load_recipe("mrd-cosine").masking
        >>> collator = MaskingCollator(policy, vocabulary, max_steps=2, pad_id=0)
        >>> masking = StockTrainerMasking(collator)
        >>> model = BertForMaskedLM(BertConfig(
        ...     vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2))
        >>> arguments = TrainingArguments(
        ...     "out", max_steps=2, save_strategy="no", report_to="none", disable_tqdm=True,
        ...     use_cpu=True, remove_unused_columns=False)
        >>> rows = [{"input_ids": list(range(5, 50))} for _ in range(16)]
        >>> trainer = Trainer(
        ...     model, arguments, data_collator=collator, train_dataset=rows, callbacks=[masking],
        ...     compute_loss_func=masking.compute_loss)
        >>> trainer.train().global_step
        {'train_runtime': ...}
        2
        >>> collator.clock.steps_done
        2
    """

    def __init__(self, collator: MaskingCollator) -> None:
        if not isinstance(collator, MaskingCollator):
            raise ValueError(f"collator={shown(collator)}. Expected a MaskingCollator.")
        self.collator = collator
        self._model: nn.Module | None = None
        self._inputs: dict[str, Tensor] = {}
        self._sums: Tensor | None = None
        self._has_computed = False
        self._in_training = self._continues = False
        self._accumulation_steps = collator.clock.accumulation_steps
        self._batches_left = 0
        self._scaled_by_ranks = True
        self._devices = 1

    # ---- what the Trainer calls ----

    def on_init_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Follow the model's mode, and remove the columns that only the loss reads from its inputs.

        Raises:
            ValueError: arguments with which the masking cannot know the steps, or not continue;
                or several GPUs of one process, and a policy whose loss reads columns.
        """
        for name, expected, why in (
            ("dataloader_in_order", True, "the masking counts batches in order"),
            ("restore_callback_states_from_checkpoint", False, "the masking restores itself"),
            ("remove_unused_columns", False, "masking reads columns that the model does not"),
        ):
            if getattr(args, name, expected) != expected:
                raise ValueError(
                    f"{name}={not expected} of the Trainer. Expected {expected}: {why}."
                )
        self._follow(others["model"])
        self._scaled_by_ranks = bool(args.average_tokens_across_devices)
        self._devices = max(1, args.n_gpu)
        settings = self.collator.masker.settings
        by_class = settings.learning is not None and not settings.learns_entries
        if self._devices > 1 and (by_class or settings.loss_weight != "one"):
            raise ValueError(
                f"n_gpu={self._devices} of the Trainer: DataParallel divides the columns that the "
                "loss of this policy reads among the GPUs of a process. Expected one GPU in each "
                "process. Start the program with torchrun, or show it one GPU by "
                "CUDA_VISIBLE_DEVICES."
            )

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Continue from a checkpoint's state, if this is a continuation.

        Raises:
            ValueError: the Trainer plans other steps than the collator, or a checkpoint of a policy
                that learns from losses holds none.
        """
        clock = self.collator.clock
        for name, ours, theirs in (
            ("max_steps", clock.max_steps, state.max_steps),
            ("accumulation_steps", clock.accumulation_steps, args.gradient_accumulation_steps),
        ):
            if ours != theirs:
                raise ValueError(
                    f"{name}={ours} of the collator and {theirs} of the Trainer. Expected the same."
                )
        self._follow(others["model"])  # another one, if the Trainer has a model_init
        self._in_training, self._sums = True, None
        self._continues = state.global_step > 0
        ahead = 1 + args.dataloader_num_workers * (args.dataloader_prefetch_factor or 2)
        lag = -(-ahead // self._accumulation_steps)
        self.collator.lag_losses(lag)
        if self._continues:
            self._load(state)
        state.stateful_callbacks[type(self).__name__] = self.state()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Restart the collator with the batches of the coming step."""
        others["model"].train()
        loader = others["train_dataloader"]
        per_epoch = _batches_per_epoch(loader, state.max_steps * self._accumulation_steps)
        made = 0
        if self._continues and not args.ignore_data_skip:
            steps_per_epoch = -(-per_epoch // self._accumulation_steps)
            made = state.global_step % steps_per_epoch * self._accumulation_steps
        self._batches_left = per_epoch - made
        self._continues = False
        # A sampler passes over the batches of an epoch that is continued; others are made again.
        again = made if isinstance(loader.dataset, IterableDataset) else 0
        self.collator.start(state.global_step, -again)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Pass the class losses of the completed step to the collator.

        Raises:
            ValueError: the policy needs `compute_loss`, and the Trainer does not call it.
        """
        settings = self.collator.masker.settings
        needed = self.collator.class_loss is not None or settings.loss_weight != "one"
        if needed and not self._has_computed:
            raise ValueError(
                "compute_loss_func of the Trainer is not that of the masking, whose policy needs "
                "it. Expected Trainer(..., compute_loss_func=masking.compute_loss)."
            )
        self._batches_left -= self._accumulation_steps
        if self._sums is None:
            self.collator.step_done()
            return
        *sums, count = all_sum(self._sums)
        self._sums = None
        by_statistic = isinstance(self.collator.class_loss, ClassStatistic)
        self.collator.step_done(torch.stack(sums) if by_statistic else sums[0], count)

    def on_evaluate(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Set training mode again, before the next training batch is masked."""
        if self._in_training:
            others["model"].train()

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Leave training: the evaluations that follow do not set training mode again."""
        self._in_training = False

    def state(self) -> dict[str, Any]:
        """What the Trainer writes into a checkpoint's own state, and so at the same moment."""
        return {"args": {}, "attributes": {"masking": self.collator.state_dict()}}

    # ---- loss ----

    def compute_loss(
        self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Cross-entropy of the predicted positions, and the class losses that the policy needs.

        Without loss weights it is the sum over the global batch's predicted positions, divided by
        their number. With them, each micro-batch is divided by its own maskable positions and by
        the number of the step's micro-batches: the mean of means, equal to the global mean where
        all have as many. A batch without predicted positions has loss 0.

        Args:
            outputs: the model's, with `logits` [B, L, V].
            labels: [B, L], -100 where nothing is predicted.
            num_items_in_batch: predicted positions of the global batch.
        """
        predicted = labels >= 0
        targets = labels[predicted]
        logits = outputs["logits"][predicted].float()
        token_loss = nn.functional.cross_entropy(logits, targets, reduction="none")
        columns, self._inputs = self._inputs, {}
        self._has_computed = True
        if torch.is_grad_enabled():
            token_class = columns.get("token_class")
            classes = targets if token_class is None else token_class[predicted]
            self._add_class_sums(logits, token_loss, targets, classes)
        if LOSS_WEIGHT in columns:
            total = (token_loss * columns[LOSS_WEIGHT][predicted]).sum()
            in_step = min(self._accumulation_steps, self._batches_left)
            scale = in_step if torch.is_grad_enabled() else 1
            if self._scaled_by_ranks and num_items_in_batch is not None:
                scale *= rank_and_size()[1]
            return total / columns[NUM_MASKABLE].sum().clamp(min=1) / scale
        if num_items_in_batch is None:
            return token_loss.sum() / max(1, len(targets))
        # DataParallel gives the outputs of all GPUs of a process to one call. The Trainer takes it
        # for that of one of them: it multiplies the loss by their number, or divides the count.
        count = torch.as_tensor(num_items_in_batch).clamp(min=1).to(token_loss.device)
        return token_loss.sum() / count / self._devices

    def _add_class_sums(
        self, logits: Tensor, token_loss: Tensor, targets: Tensor, classes: Tensor
    ) -> None:
        learned = self.collator.class_loss
        if learned is None:
            return
        num_classes = len(learned.class_names)
        if isinstance(learned, ClassStatistic):
            statistic, choice = learned.content.statistic, None
            if statistic == "accuracy":
                choice = cross_entropy_and_choice(logits.detach(), targets)[1]
            values, count = class_statistic_sums(
                statistic,
                token_loss,
                targets,
                classes,
                num_classes=num_classes,
                first_choice=choice,
            )
            sums = torch.cat([values, count[None]]).cpu()
        else:
            pair = class_loss_sums(token_loss, targets, classes, num_classes=num_classes)
            sums = torch.stack(pair).cpu()
        self._sums = sums if self._sums is None else self._sums + sums

    def _follow(self, model: nn.Module) -> None:
        if model is not self._model:
            self._model = model
            self.collator.is_training = lambda: model.training
            model.register_forward_pre_hook(self._take_columns, with_kwargs=True)

    def _take_columns(
        self, model: nn.Module, args: tuple[Any, ...], inputs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        taken = {name: inputs[name] for name in _FOR_LOSS if name in inputs}
        if taken:
            self._inputs = taken
        return args, {name: value for name, value in inputs.items() if name not in _FOR_LOSS}

    # ---- resume ----

    def _load(self, state: Any) -> None:
        saved = state.stateful_callbacks.get(type(self).__name__)
        if saved is not None:
            self.collator.load_state_dict(saved["attributes"]["masking"])
        elif self.collator.class_loss is not None:
            raise ValueError(
                f"no masking state in the checkpoint of step {state.global_step}. Expected one "
                "that was saved with this callback: the policy continues from its class losses."
            )


def _batches_per_epoch(loader: DataLoader[Any], planned: int) -> int:
    """As the Trainer counts them: an iterable dataset of unknown length is one long epoch."""
    try:
        return len(loader)
    except TypeError:
        return planned
