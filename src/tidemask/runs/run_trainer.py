"""The trainer of a run: from its configuration, its data and the checkpoint that it continues."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidemask.modeling.loading import load_model
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.progress import ignore
from tidemask.run_record import MetricValue, RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import RunConfig
from tidemask.runs.constant_predictions import growing_batches
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.corpus_masker import build_masker
from tidemask.runs.in_run_evaluation import InRunEvaluation
from tidemask.runs.initial_model import check_recorded_model, load_initial_model
from tidemask.runs.model_fit import training_module
from tidemask.runs.reference import reference_measure
from tidemask.runs.settings_check import run_identity
from tidemask.training.checkpoint_files import ResumePoint
from tidemask.training.distributed import rank_and_size
from tidemask.training.metrics_log import PeriodicEvaluation
from tidemask.training.resume_checks import with_global_batch
from tidemask.training.trainer import MaskedLMTrainer


def build_trainer(
    run: RunDirectory,
    config: RunConfig,
    data: CorpusInputs,
    evaluation: InRunEvaluation,
    point: ResumePoint,
    check_run: Callable[[], None] = ignore,
) -> MaskedLMTrainer:
    """The trainer of a run.

    Args:
        run: where metrics and checkpoints are written.
        config: of the run.
        data: of its corpus.
        evaluation: what is measured beside training, and what is called meanwhile.
        point: where training begins.
        check_run: called before anything is saved, as `check_files` of `MaskedLMTrainer`.

    Raises:
        UserError: the starting model changed since the run was made; or the corpus has no text that
            the masking ratio could follow.
    """
    callbacks = evaluation.callbacks
    training = config.training
    if point.state is not None:
        training = with_global_batch(training, point.state.global_batch_size)
    total = config.training.num_steps

    def on_step_end(step: int, record: Mapping[str, MetricValue] | None) -> None:
        if record is not None:
            callbacks.on_record(record)
        callbacks.on_progress("training", step, total)

    def check_files() -> None:
        check_run()
        data.check_unchanged()

    is_warm = config.model.warm_start is not None
    measures_start = config.evaluation.measures_start(is_warm=is_warm)
    measures_start = measures_start and evaluation.held_out.has_text
    evaluates = evaluation.measures_anything
    num_ranks = rank_and_size()[1]
    growth = growing_batches(config.masking, training, data, num_ranks)
    return MaskedLMTrainer(
        _model_at(point, config, data, callbacks),
        training,
        masker=build_masker(config.recipe, config.masking, data, total),
        dataset=data.stream(training, training.sequences_per_step(num_ranks), growth),
        run=run,
        tokenizer=data.tokenizer,
        identity=run_identity(config),
        evaluation=PeriodicEvaluation(
            evaluate=evaluation.during_training if evaluates else None,
            at_start=evaluation.at_start if measures_start else None,
            every_steps=config.evaluation.interval(total) if evaluates else 0,
        ),
        growth=growth,
        measure_reference=reference_measure(config.masking, config.evaluation, data),
        on_step_end=on_step_end,
        callbacks=callbacks.trainer_callbacks,
        stop_request=evaluation.stop_request,
        on_note=callbacks.on_note,
        check_files=check_files,
    )


def _model_at(
    point: ResumePoint, config: RunConfig, data: CorpusInputs, callbacks: RunCallbacks
) -> SelectedPositionsLM:
    """The model of a checkpoint, which needs nothing else; or the one that the run starts from.

    Raises:
        UserError: the starting model changed since the run was made.
    """
    if point.path is not None:
        return training_module(load_model(point.path), config.model, data)
    initial = load_initial_model(config.model, data, seed=config.training.seed)
    check_recorded_model(config, initial.fingerprint)
    for note in initial.notes:
        callbacks.on_note(note)
    return training_module(initial.model, config.model, data)
