"""Measuring the held-out loss of a run's models, while it trains and after."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tidemask.errors import UserError
from tidemask.modeling import SelectedPositionsLM
from tidemask.run_record import (
    FREQUENCY_BANDS,
    HELD_OUT_PERCENTS,
    HELD_OUT_TASK,
    RunDirectory,
    held_out_loss,
    write_evaluation,
)
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import RunConfig
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.tasks.held_out.frequency_bands import frequency_bands
from tidemask.tasks.held_out.loss import HeldOutSettings, final_metrics, held_out_metrics
from tidemask.training.distributed import all_sum, rank_and_size


def evaluate_model_of_run(
    run: RunDirectory,
    name: str,
    model: SelectedPositionsLM,
    config: RunConfig,
    data: CorpusInputs,
    callbacks: RunCallbacks,
) -> dict[str, float]:
    """Measure one model of a run after training, and write the result into the run."""
    settings = config.evaluation
    metrics = final_metrics_of(model, data, settings, callbacks)
    if metrics and rank_and_size()[0] == 0:
        write_evaluation(
            run,
            task=HELD_OUT_TASK,
            checkpoint=name,
            metrics=metrics,
            settings=held_out_description(settings, data),
        )
    return metrics


def held_out_description(settings: HeldOutSettings, data: CorpusInputs) -> dict[str, Any]:
    """What decides a measurement after training: how much is read, of which corpus."""
    return {
        "sequences": settings.final_sequences,
        "draws": settings.final_draws,
        "corpus_fingerprint": data.corpus.manifest.fingerprint,
        "frequency_bands": [list(band) for band in FREQUENCY_BANDS],
    }


def final_metrics_of(
    model: SelectedPositionsLM,
    data: CorpusInputs,
    settings: HeldOutSettings,
    callbacks: RunCallbacks,
) -> dict[str, float]:
    """Held-out metrics as they are measured after training; none where there is no such text."""
    if len(data.corpus.held_out) == 0:
        return {}
    on_device = model.to("cuda" if torch.cuda.is_available() else "cpu")
    metrics = measure_held_out(
        on_device,
        data,
        settings,
        settings.final_sequences,
        settings.final_draws,
        bands=frequency_bands(data.training_counts),
        callbacks=callbacks,
    )
    return final_metrics(metrics, data.held_out_set(), settings.final_sequences)


def measure_held_out(
    model: SelectedPositionsLM,
    data: CorpusInputs,
    settings: HeldOutSettings,
    num_sequences: int,
    num_draws: int,
    *,
    bands: Tensor | None = None,
    callbacks: RunCallbacks,
) -> dict[str, float]:
    """Held-out loss of a model on every rank; `num_sequences` 0 reads the whole split.

    With the band of each vocabulary entry in `bands` it is measured per band as well.

    Raises:
        UserError: it is infinite or no number.
    """
    rank, num_ranks = rank_and_size()
    metrics = held_out_metrics(
        model,
        data.held_out_set(),
        data.vocabulary,
        class_names=data.corpus.manifest.class_names,
        num_sequences=num_sequences,
        num_draws=num_draws,
        batch_size=settings.batch_size,
        bands=bands,
        rank=rank,
        num_ranks=num_ranks,
        reduce=all_sum,
        on_progress=lambda done, total: callbacks.on_progress("held-out loss", done, total),
    )
    for name in map(held_out_loss, HELD_OUT_PERCENTS):
        if not math.isfinite(metrics[name]):
            raise UserError(
                f"{name} is not finite: {metrics[name]}. The model has diverged: start again with "
                "a lower training.learning_rate."
            )
    return metrics
