"""What is measured of a run's models: at the start, during training, and at the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tidemask.errors import UserError
from tidemask.evaluation_files import read_metrics_of, write_evaluation
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.run_record import FINAL, HELD_OUT_TASK, START, RunDirectory, read_metrics
from tidemask.runs.callbacks import RunCallbacks
from tidemask.tasks.held_out.evaluator import HeldOutEvaluator
from tidemask.training.graceful_stop import leave_if_asked
from tidemask.training.signals import StopRequest


@dataclass(frozen=True, kw_only=True)
class InRunEvaluation:
    """Measures the models of a run; every rank calls the same methods in the same order.

    Each measurement raises `Interrupted` where the training is asked to stop.

    Attributes:
        run: results are written into it.
        held_out: measures held-out loss.
        callbacks: progress, and a user's own measurements.
        stop_request: asks the training to stop.
    """

    run: RunDirectory
    held_out: HeldOutEvaluator
    callbacks: RunCallbacks
    stop_request: StopRequest

    @property
    def measures_anything(self) -> bool:
        """Whether there is something to measure during training."""
        return self.held_out.has_text or len(self.callbacks.measures) > 0

    def at_start(self, model: SelectedPositionsLM) -> dict[str, float]:
        """Measure the starting model as the final one, and as those during training.

        What an earlier start of the run has measured is not measured again.

        Returns:
            Metrics for the line of step 0; empty if the run has that line.
        """
        metrics = self.run.metrics
        is_logged = metrics.is_file() and any(r["step"] == 0 for r in read_metrics(metrics))
        if not self._has_start():
            self.final(model, START)
        return {} if is_logged else self.during_training(model)

    @torch.no_grad()
    def during_training(self, model: SelectedPositionsLM) -> dict[str, float]:
        """Metrics for a line of `metrics.jsonl`: a sample of held-out text, a user's measurements.

        The model is put into evaluation mode and back.
        """
        metrics: dict[str, float] = {}
        if self.held_out.has_text:
            metrics = self.held_out.during_training(model, self._stop_if_asked)
        was_training = model.training
        model.eval()
        for measure in self.callbacks.measures:
            metrics.update(measure(model))
        model.train(was_training)
        return metrics

    def final(self, model: SelectedPositionsLM, name: str = FINAL) -> None:
        """Measure a model as after training, and write the result into the run under a name."""

        def on_progress(stage: str, done: int, total: int | None) -> None:
            self.callbacks.on_progress(stage, done, total)
            self._stop_if_asked()

        metrics = self.held_out.final(model, on_progress)
        if metrics and self.held_out.rank == 0:
            write_evaluation(
                self.run,
                task=HELD_OUT_TASK,
                checkpoint=name,
                metrics=metrics,
                settings=self.held_out.describe(),
            )

    def _has_start(self) -> bool:
        """Whether there is a whole result of the starting model."""
        try:
            return read_metrics_of(self.run, HELD_OUT_TASK, START) is not None
        except UserError as error:
            self.callbacks.on_note(f"{error} It is measured again.")
            return False

    def _stop_if_asked(self, *_: object) -> None:
        leave_if_asked(self.stop_request)
