"""What is measured of a run's models: at the start, during training, and at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tidemask.errors import UserError, command_line
from tidemask.evaluation_files import (
    Evaluation,
    read_evaluation,
    read_metrics_of,
    set_aside_results,
    write_evaluation,
)
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.run_record import FINAL, HELD_OUT_TASK, START, RunDirectory, read_metrics
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.plateau import plateau_note
from tidemask.settings import python_value
from tidemask.tasks.held_out.evaluator import HeldOutEvaluator
from tidemask.tasks.held_out.maskings import Masking
from tidemask.tasks.model_under_test import ModelUnderTest
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
            self._note_plateau(metrics)
        was_training = model.training
        model.eval()
        for measure in self.callbacks.measures:
            metrics |= {name: python_value(value) for name, value in measure(model).items()}
        model.train(was_training)
        return metrics

    def final(
        self, model: SelectedPositionsLM, name: str = FINAL, own: Masking | None = None
    ) -> None:
        """Measure a model as after training, and write the result into the run under a name.

        Args:
            model: it is moved to the GPU, if there is one.
            name: of the checkpoint, `START` or `FINAL`.
            own: masks as the run's policy does at its end; see `HeldOutEvaluator.final`.
        """

        def on_progress(stage: str, done: int, total: int | None) -> None:
            self.callbacks.on_progress(stage, done, total)
            self._stop_if_asked()

        measured = self.held_out.final(model, on_progress, own)
        if measured.metrics and self.held_out.rank == 0:
            for note in measured.notes:
                self.callbacks.on_note(note)
            write_evaluation(
                self.run,
                task=HELD_OUT_TASK,
                checkpoint=name,
                metrics=measured.metrics,
                settings=self.held_out.describe(),
                arrays=measured.arrays,
                then=f"continue with `{command_line('resume', self.run.root)}`",
            )

    def final_model_is(self, directory: Path) -> None:
        """Write into the result of the final model which one that is, once it is saved.

        Results of another final model, of an earlier start of the run, are set aside.

        Args:
            directory: of the model and its tokenizer.
        """
        model = ModelUnderTest(directory=directory, tokenizer_directory=directory).identity
        path = self.run.result(HELD_OUT_TASK, FINAL)
        if self.held_out.has_text and path.is_file():
            found = read_evaluation(self.run, path)
            write_evaluation(
                self.run,
                task=found.task,
                checkpoint=found.checkpoint,
                metrics=found.metrics,
                settings=found.settings,
                details={"arrays_sha256": found.arrays_sha256, "model": model},
                then=f"continue with `{command_line('resume', self.run.root)}`",
            )

        def is_of_another(found: Evaluation) -> bool:
            named = found.model.get("fingerprint", model["fingerprint"])
            return found.checkpoint == FINAL and named != model["fingerprint"]

        self._set_aside(is_of_another)

    def trained_again_after(self, step: int, num_steps: int) -> None:
        """Set aside the results of models that are trained again, whose weights are gone."""
        later = {FINAL: num_steps}

        def is_later(found: Evaluation) -> bool:
            named = found.checkpoint.removeprefix("checkpoint-")
            of_step = int(named) if named.isdecimal() else later.get(named, step)
            return of_step > step

        self._set_aside(is_later)

    def _set_aside(self, is_stale: Callable[[Evaluation], bool]) -> None:
        if number := set_aside_results(self.run, is_stale):
            results = "result" if number == 1 else "results"
            self.callbacks.on_note(
                f"{number} {results} of models that were trained again moved into "
                f"{self.run.evaluation / 'replaced'}."
            )

    def _note_plateau(self, metrics: dict[str, float]) -> None:
        if self.held_out.rank == 0 and self.run.metrics.is_file():
            note = plateau_note(read_metrics(self.run.metrics), metrics)
            if note is not None:
                self.callbacks.on_note(note)

    def _has_start(self) -> bool:
        """Whether there is a whole result of the starting model."""
        try:
            return read_metrics_of(self.run, HELD_OUT_TASK, START) is not None
        except UserError as error:
            self.callbacks.on_note(f"{error} It is measured again.")
            return False

    def _stop_if_asked(self, *_: object) -> None:
        leave_if_asked(self.stop_request)
