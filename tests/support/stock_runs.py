"""Tiny trainings of the stock Trainer, with every batch that the model saw."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import IterableDataset
from transformers import BertConfig, BertForMaskedLM, Trainer, TrainerCallback, TrainingArguments

from collators import V, collator_of, expected, row_of, same
from tidemask import MaskingSettings, StockTrainerMasking

BATCH = 4
ROWS = [row_of(number) for number in range(7 * BATCH)]
"""An epoch of 7 batches."""


class Stream(IterableDataset[dict[str, Any]]):
    """The rows in order, without a length."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(ROWS)


def tiny_bert(dropout: float = 0.0) -> BertForMaskedLM:
    torch.manual_seed(0)
    return BertForMaskedLM(
        BertConfig(
            vocab_size=V,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    )


class Run:
    """A training, and all batches that its model saw."""

    def __init__(
        self,
        out: Path,
        policy: str | MaskingSettings,
        *,
        max_steps: int = 10,
        accumulation: int = 1,
        data: Any = ROWS,
        callbacks: tuple[TrainerCallback, ...] = (),
        trainer: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        self.collator = collator_of(policy, max_steps, accumulation_steps=accumulation)
        self.masking = StockTrainerMasking(self.collator)
        self.trained: list[dict[str, torch.Tensor]] = []
        self.evaluated: list[dict[str, torch.Tensor]] = []
        self.losses: list[float] = []
        self.model = tiny_bert(arguments.pop("dropout", 0.0))
        self.watch(self.model)
        self.max_steps, self.accumulation = max_steps, accumulation
        others: dict[str, Any] = {
            "logging_strategy": "no",
            "save_strategy": "no",
            "learning_rate": 1e-2,
            "remove_unused_columns": False,
            **arguments,
        }
        self.trainer = Trainer(
            **{
                "model": self.model,
                "compute_loss_func": self.compute_loss,
                "eval_dataset": ROWS[:6],
                **(trainer or {}),
            },
            args=TrainingArguments(
                output_dir=str(out),
                per_device_train_batch_size=BATCH,
                per_device_eval_batch_size=BATCH,
                gradient_accumulation_steps=accumulation,
                max_steps=max_steps,
                use_cpu=True,
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
                **others,
            ),
            train_dataset=data,
            data_collator=self.collator,
            callbacks=[self.masking, *callbacks],
        )

    def watch(self, model: torch.nn.Module) -> None:
        model.register_forward_pre_hook(self._see, with_kwargs=True)

    def _see(self, model: Any, args: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        batches = self.trained if model.training else self.evaluated
        batches.append({k: v.clone() for k, v in inputs.items() if isinstance(v, torch.Tensor)})
        return args, {k: v for k, v in inputs.items() if k != "row"}

    def compute_loss(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        """The masking's own, with what a slow reference needs kept."""
        if torch.is_grad_enabled():
            self.trained[-1]["labels"] = labels
            self.trained[-1]["logits"] = outputs["logits"].detach()
        else:
            self.evaluated[-1]["labels"] = labels
        loss = self.masking.compute_loss(outputs, labels, num_items_in_batch)
        self.losses.append(float(loss.detach()))
        return loss

    def train(self, checkpoint: Path | None = None) -> Run:
        self.trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        return self

    def evaluate(self) -> Run:
        self.trainer.evaluate()
        return self

    def stop_workers(self) -> None:
        """Now: persistent workers that fall to the garbage collector are waited for 5 s each."""
        handler = self.trainer.callback_handler
        for loader in (handler.train_dataloader, handler.eval_dataloader):
            loader.base_dataloader._iterator._shutdown_workers()

    def check(self, policy: str, *, first_step: int = 0, per_epoch: int = 7) -> None:
        """Every batch trained has the masks of its step."""
        per_step = itertools.chain.from_iterable(
            [
                list(range(per_epoch))[i : i + self.accumulation]
                for i in range(0, per_epoch, self.accumulation)
            ]
            for _ in itertools.count()
        )
        steps = [
            step
            for step, turns in zip(range(self.max_steps), per_step, strict=False)
            for _ in turns
        ]
        steps = [step for step in steps if step >= first_step]
        assert len(self.trained) == len(steps)
        for batch, step in zip(self.trained, steps, strict=True):
            rows = [row_of(number) for number in batch["row"].tolist()]
            assert same(batch, expected(policy, rows, step, self.max_steps)), f"step {step}"


def same_batches(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> bool:
    return len(ours) == len(theirs) and all(map(same, ours, theirs))


def same_weights(a: Run, b: Run) -> bool:
    ours, theirs = a.trainer.model.state_dict(), b.trainer.model.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


class Stop(TrainerCallback):
    """Ends training after a step, as a lack of time would; or kills the process."""

    def __init__(self, step: int, kill: bool = False) -> None:
        self.step, self.kill = step, kill

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if self.kill and state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        control.should_training_stop |= not self.kill and state.global_step == self.step


SAVING = {"save_strategy": "steps", "save_steps": 1}
