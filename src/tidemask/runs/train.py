"""The composition root: from a configuration to objects, and from objects to a trained run.

A run directory is changed by the functions here, in `pretraining.py` and in `in_run_evaluation.py`;
the command line only reads arguments and shows results.
"""

from __future__ import annotations

import torch

from tidemask.errors import UserError, command_line
from tidemask.modeling.loading import load_model
from tidemask.modeling.precision import emulation_note, usual_device
from tidemask.processes import keep_freed_memory
from tidemask.run_record import RunDirectory, cut_metrics
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import RunConfig, read_run_config
from tidemask.runs.constant_predictions import growth_note
from tidemask.runs.corpus_inputs import source_note
from tidemask.runs.corpus_masker import coverage_notes
from tidemask.runs.final_model import save_final_model
from tidemask.runs.in_run_evaluation import InRunEvaluation
from tidemask.runs.machine import record_machine
from tidemask.runs.model_fit import training_module
from tidemask.runs.more_steps import continuation_note
from tidemask.runs.own_masking import own_masking_of
from tidemask.runs.resume_notes import last_logged_step, resume_notes
from tidemask.runs.run_trainer import build_trainer
from tidemask.runs.settings_check import run_identity
from tidemask.runs.started_on import inputs_of, verify_inputs
from tidemask.training.checkpoint_files import (
    ResumePoint,
    clear_unfinished,
    find_resume_point,
    set_aside,
)
from tidemask.training.compilation import compilers_stop_with
from tidemask.training.distributed import (
    barrier,
    join_launched_processes,
    on_first_rank,
    rank_and_size,
)
from tidemask.training.graceful_stop import leave_if_asked
from tidemask.training.run_lock import RunLock, run_lock
from tidemask.training.sharding import naming_lost_processes
from tidemask.training.signals import Interrupted, StopRequest
from tidemask.training.trainer import MaskedLMTrainer


def train(
    run: RunDirectory,
    callbacks: RunCallbacks | None = None,
    stop_request: StopRequest | None = None,
) -> ResumePoint:
    """Train a run to its end, from its newest complete checkpoint or from the beginning.

    Then the final model is saved and measured. The result equals that of a run that was never
    interrupted.

    Args:
        run: made by `new_run`, or interrupted.
        callbacks: called while the run goes on.
        stop_request: says when to stop; nothing stops it if left out.

    Returns:
        Where training began.

    Raises:
        Interrupted: it was asked to stop, and everything it did is saved.
        UserError: the run is finished or being trained, its corpus or its settings changed, or all
            its checkpoints are damaged.
    """
    join_launched_processes()
    if not torch.cuda.is_available():
        keep_freed_memory()
    callbacks = callbacks or RunCallbacks()
    stop_request = stop_request or StopRequest()
    config = read_run_config(run.config)
    with run_lock(run) as lock, naming_lost_processes(run, stop_request):
        if lock.note:
            callbacks.on_note(lock.note)
        return _train(run, config, callbacks, stop_request, lock)


def _train(
    run: RunDirectory,
    config: RunConfig,
    callbacks: RunCallbacks,
    stop_request: StopRequest,
    lock: RunLock,
) -> ResumePoint:
    if on_first_rank(lambda: run.is_finished):
        more = command_line("resume", run.root, "training.max_steps=N")
        raise UserError(
            f"run is finished: {run.root} has its final model. Evaluate it with `tidemask "
            f"evaluate`, or give it more steps with `{more}`."
        )
    data = inputs_of(config)
    on_first_rank(lambda: verify_inputs(data))
    point = on_first_rank(lambda: find_resume_point(run, run_identity(config)))
    held_out = data.held_out_evaluator(config.evaluation)
    evaluation = InRunEvaluation(
        run=run, held_out=held_out, callbacks=callbacks, stop_request=stop_request
    )
    _check_beginning(run, config, point)
    trainer = build_trainer(run, config, data, evaluation, point, lock.check)
    engine = trainer.engine()
    elsewhere = on_first_rank(lambda: record_machine(run, config, point.step, engine))
    begun = coverage_notes(config.masking, data) if point.path is None else []
    for note in [*_notes(run, config, trainer, point), *elsewhere, *begun]:
        callbacks.on_note(note)
    barrier()

    def clear_what_is_behind() -> None:
        """Change what earlier processes left, now that the checkpoint was loaded."""
        if rank_and_size()[0] == 0:
            clear_unfinished(run)
            set_aside(point)
            trainer.checkpoints.prune(point.step)
            evaluation.trained_again_after(point.step, config.training.num_steps)
            cut_metrics(run.metrics, last_logged_step(point))

    with stop_request.deferred():
        leave_if_asked(stop_request)
        with compilers_stop_with(stop_request):
            trainer.train_from(point.path, when_loaded=clear_what_is_behind)
        if trainer.stopping.stopped_by is not None:
            raise Interrupted(trainer.stopping.stopped_by, is_agreed=True)
        trainer.refuse_diverged_weights()
        last = load_model(run.checkpoint(config.training.num_steps))
        final = training_module(last, config.model, data)
        evaluation.final(final, own=own_masking_of(run, data))
        trainer.refuse_changed_files()
        save_final_model(run, final, data, evaluation)
    return point


def _notes(
    run: RunDirectory, config: RunConfig, trainer: MaskedLMTrainer, point: ResumePoint
) -> list[str]:
    """What a user should know before the first step, one sentence each."""
    notes = [
        *trainer.engine_notes(config.training.sharding),
        *config.masking.ineffective_settings(),
        *config.training.ineffective_settings(),
        emulation_note("training.precision", trainer.settings.precision, usual_device()),
        *resume_notes(run, point),
        continuation_note(config),
        source_note(trainer.dataset),
        *config.training.to_wait_for(),
        growth_note(trainer.growth, trainer.settings),
    ]
    return [note for note in notes if note is not None]


def _check_beginning(run: RunDirectory, config: RunConfig, point: ResumePoint) -> None:
    """Refuse to train a run with more steps from its first step, as it began from another's last.

    Raises:
        UserError: it has no checkpoint.
    """
    if config.continued_from is not None and point.path is None:
        raise UserError(
            f"no checkpoint: {run.root} has none, and began from the last one of "
            f"{config.continued_from.run}. Delete it, and make it again by `tidemask resume` with "
            "a length."
        )
