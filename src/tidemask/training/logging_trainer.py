"""The Trainer that writes metrics.jsonl: when a line is due, what stands in it, and who is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback

from tidemask.masking.masker import Masker
from tidemask.modeling import SelectedPositionsLM
from tidemask.run_record import (
    CLASS_LOSS,
    CLASS_SHARE,
    CLASS_WEIGHT,
    GRAD_NORM,
    LEARNING_RATE,
    PREDICTED_TOKENS,
    TOKENS_SEEN,
    WALL_SECONDS,
    MetricValue,
    append_metrics,
)
from tidemask.training.checkpoint_trainer import CheckpointedTrainer
from tidemask.training.graceful_stop import GracefulStopCallback
from tidemask.training.signals import Interrupted
from tidemask.training.step_accounting import StepAccounting
from tidemask.training.trackers import reportable

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


class LoggedTrainer(CheckpointedTrainer):
    """Writes lines of metrics, with what is measured beside training.

    Attributes:
        masker: the masking policy.
        hooks: evaluation and progress.
        accounting: what training has learned from its losses.
        stopping: told where an evaluation was cut short.
        started: when the step under way began, seconds of `time.perf_counter`.
        unlogged: learning rate and gradient norm of a line whose evaluation was cut short.
    """

    masker: Masker
    hooks: Hooks
    accounting: StepAccounting
    stopping: GracefulStopCallback
    started: float
    unlogged: dict[str, float | None] | None

    def end_step(self) -> bool:
        """Stop the clock of the finished step; says whether the step is to be logged."""
        self.accounting.add_seconds(time.perf_counter() - self.started)
        return self._evaluates_now() or self.state.global_step == self.settings.max_steps

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write a line of metrics from our own sums; the Trainer's do not survive a resume.

        A stop asked for during its evaluation leaves the line to the resumed run.
        """
        if "loss" not in logs:
            return
        self.accounting.settle(wholly=True)
        shown = {LEARNING_RATE: logs["learning_rate"], GRAD_NORM: logs.get("grad_norm")}
        try:
            self._write_line(shown)
        except Interrupted as stop:
            self.unlogged = shown
            self.stopping.stopped_by = stop.by
            self.control.should_save = self.control.should_training_stop = True

    def log_what_was_left(self) -> None:
        """Write the line whose evaluation the stop before the resume cut short.

        Raises:
            Interrupted: it is cut short again; the checkpoint still has it.
        """
        if self.unlogged is not None:
            self._write_line(self.unlogged)
            self.unlogged = None

    def _write_line(self, shown: Mapping[str, float | None]) -> None:
        step = self.state.global_step
        record: dict[str, MetricValue] = {
            "step": step,
            "progress": step / self.settings.max_steps,
            **self.accounting.window.metrics(),
            **shown,
            **self._class_metrics(),
        }
        if self.hooks.evaluate and (self._evaluates_now() or step == self.settings.max_steps):
            model = self.accelerator.unwrap_model(self.model)
            record.update(self.hooks.evaluate(model))
        self.accounting.window.reset()
        self._publish(step, record)

    def measure_start(self) -> None:
        """Write the metrics of the starting model as a line of step 0, if that is wanted."""
        if self.hooks.at_start is None or self.state.global_step > 0:
            return
        metrics = self.hooks.at_start(self.accelerator.unwrap_model(self.model))
        if metrics:
            so_far = {"progress": 0.0, TOKENS_SEEN: 0, PREDICTED_TOKENS: 0, WALL_SECONDS: 0.0}
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
        class_loss = self.accounting.class_loss
        if class_loss is None:
            return {}
        values = class_loss.value()
        step = self.state.global_step
        weights = self.masker.class_weights(
            values, progress=step / self.settings.max_steps, step=step
        )
        columns: dict[str, list[float]] = {CLASS_LOSS: values.tolist()}
        if weights is not None:
            columns[CLASS_WEIGHT] = weights.tolist()
        columns[CLASS_SHARE] = self.accounting.window.class_shares()
        return {
            prefix + name: value
            for prefix, column in columns.items()
            for name, value in zip(class_loss.class_names, column, strict=True)
        }


class StepEnd(TrainerCallback):
    """Tells the trainer when training begins, and when a step, its logging included, is over."""

    def __init__(self, trainer: LoggedTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measure the starting model, or finish the line that was cut short."""
        self._trainer.measure_start()
        self._trainer.log_what_was_left()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Stop the clock, and tell of a step that is not logged; the others are told with it."""
        if self._trainer.end_step():
            control.should_log = True
        if state.is_world_process_zero and not control.should_log:
            self._trainer.hooks.on_step(state.global_step, None)
        return control
