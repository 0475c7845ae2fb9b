"""Writes `metrics.jsonl` while a run trains: when a line is due and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback

from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.modeling.training_flops import TrainingFlops
from tidemask.progress import NoteCallback
from tidemask.run_record import (
    CLASS_LOSS,
    CLASS_SHARE,
    CLASS_STATISTIC,
    CLASS_WEIGHT,
    DEVICE_SECONDS,
    FLOPS,
    PREDICTED_TOKENS,
    TOKENS_SEEN,
    WALL_SECONDS,
    MetricValue,
    RunDirectory,
)
from tidemask.training.distributed import rank_and_size
from tidemask.training.metrics_file import MetricsFile
from tidemask.training.ratio_loop import RatioLoop
from tidemask.training.step_accounting import StepAccounting

Evaluate = Callable[[SelectedPositionsLM], dict[str, float]]
"""Measures the model as it is; called on every rank, returns the same on each."""

StepEndCallback = Callable[[int, Mapping[str, MetricValue] | None], None]
"""Called after every finished step, with the line of metrics if the step was logged."""


@dataclass(frozen=True, kw_only=True)
class PeriodicEvaluation:
    """What is measured beside training, and how often."""

    evaluate: Evaluate | None = None
    """Measurement whose results join the line of metrics."""
    at_start: Evaluate | None = None
    """Measurement of the starting model; what it returns is a line of metrics of step 0."""
    every_steps: int = 0
    """Optimizer steps between measurements, 0 for none; the last step always measures."""


class MetricsLog(TrainerCallback):
    """Writes lines of metrics from our own sums, for the Trainer's do not survive a resume.

    Args:
        run: whose `metrics.jsonl` is written, by the first rank.
        accounting: the sums.
        evaluation: what is measured beside training.
        max_steps: planned optimizer steps.
        flops: what training takes for each token; with `None` the lines do not say.
        measured_model: returns the model that is measured.
        ratio_loop: what the masking ratio follows, whose every block has a line; or `None`.
        on_step_end: called on the first rank.
        on_log: called on every rank with each line that is written.
        on_note: called on the first rank where the file was touched by others.
        check_run: raises an error where the run was moved or taken over.

    Attributes:
        file: the lines that are there.
        unlogged: learning rate and gradient norm of a line whose evaluation was cut short; saved
            with the checkpoint, and written when the run continues.
    """

    def __init__(
        self,
        run: RunDirectory,
        accounting: StepAccounting,
        *,
        evaluation: PeriodicEvaluation,
        max_steps: int,
        flops: TrainingFlops | None,
        measured_model: Callable[[], SelectedPositionsLM],
        ratio_loop: RatioLoop | None,
        on_step_end: StepEndCallback,
        on_log: Callable[[Mapping[str, MetricValue]], None],
        on_note: NoteCallback,
        check_run: Callable[[], None],
    ) -> None:
        self.unlogged: dict[str, float | None] | None = None
        self.file = MetricsFile(run.metrics, on_note, check_run)
        self._accounting = accounting
        self._evaluation = evaluation
        self._max_steps = max_steps
        self._flops = flops
        self._measured_model = measured_model
        self._ratio_loop = ratio_loop
        self._on_step_end = on_step_end
        self._on_log = on_log

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the line of the starting model, or the line that was cut short.

        Raises:
            Interrupted: it is cut short again; the checkpoint still has it.
        """
        self.file.open()
        if self._evaluation.at_start is not None and state.global_step == 0:
            metrics = self._evaluation.at_start(self._measured_model())
            nothing = {TOKENS_SEEN: 0, PREDICTED_TOKENS: 0, WALL_SECONDS: 0.0, DEVICE_SECONDS: 0.0}
            if metrics:
                nothing |= self._flops_of(0, 0)
                self._write(0, {"step": 0, "progress": 0.0, **nothing, **metrics})
        if self.unlogged is not None:
            self.log_step(state.global_step, self.unlogged)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Stop the step's clock; have the step logged if it is measured."""
        self._accounting.end_step()
        step = state.global_step
        ends_block = self._ratio_loop is not None and self._ratio_loop.begins_block(step)
        if ends_block or self._evaluates_after(step) or step == self._max_steps:
            control.should_log = True
        if rank_and_size()[0] == 0 and not control.should_log:
            self._on_step_end(state.global_step, None)
        return control

    def log_step(self, step: int, optimisation: Mapping[str, float | None]) -> None:
        """Measure the model if that is due, and write the line of a step.

        Args:
            step: optimizer steps done.
            optimisation: what the Trainer knows: learning rate and gradient norm.

        Raises:
            Interrupted: a stop was requested meanwhile; the line stays in `unlogged`.
            UserError: a loss or a gradient norm is not finite.
        """
        self._accounting.collect(everything=True)
        self.unlogged = dict(optimisation)
        window = self._accounting.window
        record: dict[str, MetricValue] = {
            "step": step,
            "progress": step / self._max_steps,
            **window.metrics(),
            **self._flops_of(
                int(window.total_tokens), int(window.total_selected), int(window.total_scored)
            ),
            **optimisation,
            **self._class_metrics(step),
            **({} if self._ratio_loop is None else self._ratio_loop.metrics()),
        }
        evaluate = self._evaluation.evaluate
        if evaluate and (self._evaluates_after(step) or step == self._max_steps):
            record.update(evaluate(self._measured_model()))
        self._accounting.window = window.following()
        self._write(step, record)
        self.unlogged = None

    def _write(self, step: int, record: dict[str, MetricValue]) -> None:
        if rank_and_size()[0] == 0:
            self.file.append(record)
            self._on_step_end(step, record)
        self._on_log(record)

    def _flops_of(self, seen: int, predicted: int, scored: int = 0) -> dict[str, float]:
        return {} if self._flops is None else {FLOPS: self._flops.total(seen, predicted, scored)}

    def _evaluates_after(self, step: int) -> bool:
        every = self._evaluation.every_steps
        return bool(every) and step % every == 0

    def _class_metrics(self, step: int) -> dict[str, MetricValue]:
        class_loss = self._accounting.class_loss
        if class_loss is None:
            return {}
        masker, learned = self._accounting.masker, self._accounting.learned_losses
        weights = masker.class_weights(learned, progress=step / self._max_steps, step=step)
        columns: dict[str, list[float]] = {CLASS_LOSS: class_loss.value().tolist()}
        if weights is not None:
            if self._accounting.class_statistic is not None and learned is not None:
                columns[CLASS_STATISTIC] = learned.tolist()
            columns[CLASS_WEIGHT] = weights.tolist()
        columns[CLASS_SHARE] = self._accounting.window.class_shares()
        return {
            prefix + name: value
            for prefix, column in columns.items()
            for name, value in zip(class_loss.class_names, column, strict=True)
        }
