"""What is measured while a run trains, and of its starting model before it does."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tidemask.modeling import SelectedPositionsLM
from tidemask.run_record import (
    HELD_OUT_PERCENTS,
    HELD_OUT_TASK,
    START,
    RunDirectory,
    held_out_loss,
    read_metrics,
)
from tidemask.runs.callbacks import Measure, RunCallbacks
from tidemask.runs.config import RunConfig
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.held_out import evaluate_model_of_run, measure_held_out
from tidemask.tasks.held_out.loss import HeldOutSettings
from tidemask.training.logging_trainer import Evaluate

_IN_RUN: frozenset[str] = frozenset(
    name
    for percent in HELD_OUT_PERCENTS
    for name in (held_out_loss(percent), f"{held_out_loss(percent)}_standard_error")
)
"""Held-out metrics that join the lines of `metrics.jsonl`; files of `evaluation/` hold them all."""


def measure_in_run(
    data: CorpusInputs,
    settings: HeldOutSettings,
    measures: Sequence[Measure],
    *,
    callbacks: RunCallbacks,
) -> Evaluate | None:
    """What is measured during training: a few held-out sequences, and what a user adds.

    Returns:
        A function from the model, in training mode and back, to metrics by name; `None` if there
        is nothing to measure. It runs on every rank.
    """
    has_held_out = len(data.corpus.held_out) > 0
    if not has_held_out and not measures:
        return None

    @torch.no_grad()
    def measure(model: SelectedPositionsLM) -> dict[str, float]:
        metrics = measure_held_out(
            model, data, settings, settings.sequences, settings.draws, callbacks=callbacks
        )
        taken = {name: value for name, value in metrics.items() if name in _IN_RUN}
        was_training = model.training
        model.eval()
        for own in measures:
            taken.update(own(model))
        model.train(was_training)
        return taken

    return measure


def measure_at_start(
    run: RunDirectory,
    config: RunConfig,
    data: CorpusInputs,
    in_run: Evaluate | None,
    callbacks: RunCallbacks,
) -> Evaluate | None:
    """What is measured before the first step, so that before and after stand side by side.

    The starting model is measured as the final one is, and as those during training are.

    Returns:
        A function that writes the first into `evaluation/` and returns the second; `None` if it
        is not wanted, there is no held-out text, or both are there from an earlier start.
    """
    settings = config.evaluation
    is_warm = config.model.warm_start is not None
    if in_run is None or not len(data.corpus.held_out):
        return None
    is_written = run.result(HELD_OUT_TASK, START).is_file()
    is_logged = run.metrics.is_file() and any(r["step"] == 0 for r in read_metrics(run.metrics))
    if not settings.measures_start(is_warm=is_warm) or (is_written and is_logged):
        return None

    def measure(model: SelectedPositionsLM) -> dict[str, float]:
        if not is_written:
            evaluate_model_of_run(run, START, model, config, data, callbacks)
        return {} if is_logged else in_run(model)

    return measure
