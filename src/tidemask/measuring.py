"""Measuring runs and models: held-out loss of checkpoints, final models and foreign models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tidemask.config import RunConfig, read_run_config
from tidemask.corpus.store import PreparedCorpus, open_corpus
from tidemask.errors import UserError
from tidemask.evaluation.frequency_bands import frequency_bands
from tidemask.evaluation.held_out import HeldOutSettings, final_metrics, held_out_metrics
from tidemask.material import Material, Observer, corpus_of
from tidemask.modeling import ModelSettings, SelectedPositionsLM, load_model
from tidemask.run_record import (
    FINAL,
    HELD_OUT_PERCENTS,
    RunDirectory,
    held_out_loss,
    write_evaluation,
)
from tidemask.starting import check_vocabulary, wrapped
from tidemask.training.distributed import all_sum, rank_and_size

HELD_OUT_TASK = "held-out"
TASKS: tuple[str, ...] = (HELD_OUT_TASK,)
"""Names of the evaluation tasks."""


def evaluate(
    target: Path,
    *,
    tasks: Sequence[str],
    data: Path | None,
    checkpoints: str,
    observer: Observer | None = None,
) -> list[tuple[str, dict[str, float]]]:
    """Measure a run, or a model directory, on tasks.

    Args:
        target: a run directory, or a directory in the format of transformers.
        tasks: names of `TASKS`.
        data: prepared corpus whose held-out split is read in place of that of the run; results are
            then returned and not written into the run. A model directory needs it.
        checkpoints: `last`, or `all` for every checkpoint and the final model.
        observer: told the progress.

    Returns:
        Name of each checkpoint and its metrics; a run also gets them as files, unless `data` is
        given.

    Raises:
        UserError: unknown task or choice of checkpoints; no run or model, no model yet; a corpus
            without held-out text or of another tokenizer.
    """
    observer = observer or Observer()
    check_tasks(tasks)
    if checkpoints not in ("last", "all"):
        raise UserError(f"unknown choice: checkpoints={checkpoints}. Expected last or all.")
    if not target.is_dir():
        raise UserError(f"no such directory: {target}. Expected a run or a model.")
    run = RunDirectory(target)
    if run.config.is_file():
        return _evaluate_run(run, data, checkpoints, observer)
    return [("model", _evaluate_directory(target, data, observer))]


def _evaluate_run(
    run: RunDirectory, data: Path | None, checkpoints: str, observer: Observer
) -> list[tuple[str, dict[str, float]]]:
    config = read_run_config(run.config)
    material = _with_held_out(corpus_of(config) if data is None else open_corpus(data))
    found = _models_of(run)
    if not found:
        raise UserError(f"nothing to evaluate: {run.root} has no checkpoint yet.")
    results = []
    for name, path in found if checkpoints == "all" else found[-1:]:
        if data is None:
            model = wrapped(load_model(path), config.model, material)
            metrics = evaluate_model_of_run(run, name, model, config, material, observer)
        else:
            metrics = _evaluate_model(path, material, config.evaluation, observer, config.model)
        results.append((name, metrics))
    return results


def _evaluate_directory(directory: Path, data: Path | None, observer: Observer) -> dict[str, float]:
    load_model(directory)
    if data is None:
        raise UserError(
            f"no text to evaluate on: {directory} is a model, not a run. "
            "Name a prepared corpus with --data."
        )
    material = _with_held_out(open_corpus(data))
    return _evaluate_model(directory, material, HeldOutSettings(), observer)


def check_tasks(tasks: Sequence[str]) -> None:
    """Refuse a task that does not exist.

    Raises:
        UserError: with the names of those that do.
    """
    unknown = [task for task in tasks if task not in TASKS]
    if unknown or not tasks:
        raise UserError(
            f"no such task: {', '.join(unknown) or 'none named'}. Known are {', '.join(TASKS)}."
        )


def evaluate_model_of_run(
    run: RunDirectory,
    name: str,
    model: SelectedPositionsLM,
    config: RunConfig,
    material: Material,
    observer: Observer,
) -> dict[str, float]:
    """Measure one model of a run after training, and write the result into the run."""
    settings = config.evaluation
    metrics = _final_metrics(model, material, settings, observer)
    if metrics and rank_and_size()[0] == 0:
        write_evaluation(
            run,
            task=HELD_OUT_TASK,
            checkpoint=name,
            metrics=metrics,
            settings={
                "sequences": settings.final_sequences,
                "draws": settings.final_draws,
                "corpus_fingerprint": material.corpus.manifest.fingerprint,
            },
        )
    return metrics


def _with_held_out(corpus: PreparedCorpus) -> Material:
    if len(corpus.held_out) == 0:
        raise UserError(
            f"no held-out text: {corpus.root} was prepared without. "
            "Name a prepared corpus that has some with --data."
        )
    return Material.of(corpus)


def _evaluate_model(
    directory: Path,
    material: Material,
    settings: HeldOutSettings,
    observer: Observer,
    model_settings: ModelSettings | None = None,
) -> dict[str, float]:
    """Measure any model directory on any corpus made with its tokenizer; writes nothing."""
    model = load_model(directory)
    unchecked = check_vocabulary(str(directory), model, material)
    if unchecked:
        observer.on_note(unchecked)
    measured = wrapped(model, model_settings or ModelSettings(), material)
    return _final_metrics(measured, material, settings, observer)


def _final_metrics(
    model: SelectedPositionsLM, material: Material, settings: HeldOutSettings, observer: Observer
) -> dict[str, float]:
    if len(material.corpus.held_out) == 0:
        return {}
    on_device = model.to("cuda" if torch.cuda.is_available() else "cpu")
    metrics = measure_held_out(
        on_device,
        material,
        settings,
        settings.final_sequences,
        settings.final_draws,
        bands=frequency_bands(material.training_counts),
        observer=observer,
    )
    return final_metrics(metrics, material.held_out_set(), settings.final_sequences)


def measure_held_out(
    model: SelectedPositionsLM,
    material: Material,
    settings: HeldOutSettings,
    num_sequences: int,
    num_draws: int,
    *,
    bands: Tensor | None = None,
    observer: Observer,
) -> dict[str, float]:
    """Held-out loss of a model on every rank; `num_sequences` 0 reads the whole split.

    With the band of each vocabulary entry in `bands` it is measured per band as well.

    Raises:
        UserError: it is infinite or no number.
    """
    rank, num_ranks = rank_and_size()
    metrics = held_out_metrics(
        model,
        material.held_out_set(),
        material.vocabulary,
        class_names=material.corpus.manifest.class_names,
        num_sequences=num_sequences,
        num_draws=num_draws,
        batch_size=settings.batch_size,
        bands=bands,
        rank=rank,
        num_ranks=num_ranks,
        reduce=all_sum,
        on_progress=lambda done, total: observer.on_progress("held-out loss", done, total),
    )
    for name in map(held_out_loss, HELD_OUT_PERCENTS):
        if not math.isfinite(metrics[name]):
            raise UserError(
                f"{name} is not finite: {metrics[name]}. The model has diverged: start again with "
                "a lower training.learning_rate."
            )
    return metrics


def _models_of(run: RunDirectory) -> list[tuple[str, Path]]:
    """Checkpoints, oldest first, then the final model."""
    found = [(path.name, path) for _, path in run.checkpoints()]
    return [*found, (FINAL, run.model)] if run.model.exists() else found
