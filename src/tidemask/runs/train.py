"""The composition root: from a configuration to objects, and from objects to a trained run.

A run directory is changed by the functions here, in `pretraining.py` and in `in_run_evaluation.py`;
the command line only reads arguments and shows results.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping

import torch

from tidemask.corpus.store.corpus import verify_corpus
from tidemask.errors import UserError
from tidemask.files.atomic import follow_umask, sync_tree, write_atomically
from tidemask.modeling.loading import load_model
from tidemask.modeling.precision import emulation_note, usual_device
from tidemask.modeling.selected_positions import SelectedPositionsLM
from tidemask.processes import keep_freed_memory
from tidemask.progress import ignore
from tidemask.run_record import MetricValue, RunDirectory, cut_metrics, read_metrics
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import RunConfig, read_run_config
from tidemask.runs.corpus_inputs import CorpusInputs, build_masker, corpus_of
from tidemask.runs.in_run_evaluation import InRunEvaluation
from tidemask.runs.initial_model import check_recorded_model, load_initial_model
from tidemask.runs.model_card import model_card
from tidemask.runs.model_fit import training_module
from tidemask.runs.more_steps import continuation_note
from tidemask.runs.settings_check import run_identity
from tidemask.system_errors import refusal_of_writing
from tidemask.training.checkpoint_files import (
    ResumePoint,
    clear_unfinished,
    find_resume_point,
    set_aside,
)
from tidemask.training.checkpoint_state import CheckpointState
from tidemask.training.compilation import compilers_stop_with
from tidemask.training.distributed import (
    barrier,
    join_launched_processes,
    on_first_rank,
    rank_and_size,
)
from tidemask.training.graceful_stop import leave_if_asked
from tidemask.training.metrics_log import PeriodicEvaluation
from tidemask.training.resume_checks import (
    with_global_batch,
)
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
        raise UserError(
            f"run is finished: {run.root} has its final model. Evaluate it with `tidemask "
            f"evaluate`, or give it more steps with `tidemask resume {run.root} "
            "training.max_steps=N`."
        )
    corpus = corpus_of(config)
    on_first_rank(lambda: verify_corpus(corpus))
    data = CorpusInputs.of(corpus)
    point = on_first_rank(lambda: find_resume_point(run, run_identity(config)))
    held_out = data.held_out_evaluator(config.evaluation)
    evaluation = InRunEvaluation(
        run=run, held_out=held_out, callbacks=callbacks, stop_request=stop_request
    )
    _check_beginning(run, config, point)
    trainer = _build_trainer(run, config, data, evaluation, point, lock.check)
    _record_engine(run, trainer)
    engine = trainer.engine_notes(config.training.sharding)
    idle = [*config.masking.ineffective_settings(), *config.training.ineffective_settings()]
    slow = emulation_note("training.precision", trainer.settings.precision, usual_device())
    waits = config.training.to_wait_for()
    more = continuation_note(config)
    for note in [*engine, *idle, slow, *resume_notes(run, point), more, *waits]:
        if note is not None:
            callbacks.on_note(note)
    barrier()

    def clear_what_is_behind() -> None:
        """Change what earlier processes left, now that the checkpoint was loaded."""
        if rank_and_size()[0] == 0:
            clear_unfinished(run)
            set_aside(point)
            trainer.checkpoints.prune(point.step)
            evaluation.trained_again_after(point.step, config.training.num_steps)
            cut_metrics(run.metrics, _last_logged_step(point))

    with stop_request.deferred():
        leave_if_asked(stop_request)
        with compilers_stop_with(stop_request):
            trainer.train_from(point.path, when_loaded=clear_what_is_behind)
        if trainer.stopping.stopped_by is not None:
            raise Interrupted(trainer.stopping.stopped_by, is_agreed=True)
        trainer.refuse_diverged_weights()
        last = load_model(run.checkpoint(config.training.num_steps))
        final = training_module(last, config.model, data)
        evaluation.final(final)
        trainer.refuse_changed_files()
        _save_final_model(run, final, data, evaluation)
    return point


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


def _last_logged_step(point: ResumePoint) -> int:
    """The last step whose line of metrics stays; the resumed run writes those after it again.

    A line whose evaluation a stop cut short is written once the run continues, so that it does not
    belong to the checkpoint, though its step does.
    """
    if point.state is not None and point.state.unlogged is not None:
        return point.step - 1
    return point.step


def _record_engine(run: RunDirectory, trainer: MaskedLMTrainer) -> None:
    """Write what runs into the environment of the run; a resume may change it."""
    environment = {**run.read_environment(), "engine": trainer.engine()}
    if rank_and_size()[0] == 0:
        go_on = f"continue with `tidemask resume {run.root}`"
        write_atomically(run.environment, json.dumps(environment, indent=2) + "\n", then=go_on)


def resume_notes(run: RunDirectory, point: ResumePoint) -> list[str]:
    """What a user should know of where a run continues, one sentence each."""
    notes = [f"{path.name} {problem}; it is passed over." for path, problem in point.passed_over]
    notes += [
        f"{path.name} is not a checkpoint, for no step is written so; it is left alone."
        for path in run.misnamed_checkpoints()
    ]
    if point.state is None and not run.metrics.exists():
        return notes
    if point.state is None:
        return [*notes, "No checkpoint was saved yet; starting from the first step."]
    notes += _notes_on_metrics(run, point, point.state)
    return [*notes, f"Continuing after step {point.step}."]


def _notes_on_metrics(run: RunDirectory, point: ResumePoint, state: CheckpointState) -> list[str]:
    """Whether the lines of metrics are those that the run had when its checkpoint was saved."""
    lines = read_metrics(run.metrics) if run.metrics.is_file() else []
    found = sum(line["step"] <= _last_logged_step(point) for line in lines)
    saved, name = state.num_lines, f"checkpoint-{point.step}"
    if saved is not None and found != saved:
        return [
            f"{run.metrics} has {found:,} of the {saved:,} lines that {name} was saved with; the "
            "others cannot be written again."
        ]
    if state.lines_sha256 is None or not lines:
        return []
    content = b"".join(run.metrics.read_bytes().splitlines(keepends=True)[:saved])
    if hashlib.sha256(content).hexdigest() == state.lines_sha256:
        return []
    return [f"{run.metrics} was changed since {name} was saved; its lines are taken as they are."]


def _build_trainer(
    run: RunDirectory,
    config: RunConfig,
    data: CorpusInputs,
    evaluation: InRunEvaluation,
    point: ResumePoint,
    check_run: Callable[[], None] = ignore,
) -> MaskedLMTrainer:
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
        data.corpus.check_unchanged()

    is_warm = config.model.warm_start is not None
    measures_start = config.evaluation.measures_start(is_warm=is_warm)
    measures_start = measures_start and evaluation.held_out.has_text
    evaluates = evaluation.measures_anything
    return MaskedLMTrainer(
        _model_at(point, config, data, callbacks),
        training,
        masker=build_masker(config.recipe, config.masking, data, total),
        dataset=data.training_set(config.training.seed),
        run=run,
        tokenizer=data.tokenizer,
        identity=run_identity(config),
        evaluation=PeriodicEvaluation(
            evaluate=evaluation.during_training if evaluates else None,
            at_start=evaluation.at_start if measures_start else None,
            every_steps=config.evaluation.interval(total) if evaluates else 0,
        ),
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


def _save_final_model(
    run: RunDirectory, final: SelectedPositionsLM, data: CorpusInputs, evaluation: InRunEvaluation
) -> None:
    """Save the model of the last checkpoint, with its tokenizer and its card."""
    staged = run.root / ".model.tmp"

    def save() -> None:
        shutil.rmtree(staged, ignore_errors=True)
        try:
            final.language_model.save_pretrained(staged)
            data.tokenizer.save_pretrained(staged)
            evaluation.final_model_is(staged)
            token = str(data.tokenizer.mask_token)
            card = model_card(run, data.corpus.manifest, mask_token=token)
            (staged / "README.md").write_text(card, encoding="utf-8")
            follow_umask(staged)
            sync_tree(staged)
            staged.rename(run.model)
        except Exception as error:  # each library has its own for a full disk
            refused = refusal_of_writing(error, staged, run.model)
            shutil.rmtree(staged, ignore_errors=True)
            if refused is None:
                raise
            raise UserError(
                f"final model not saved: {refused}, then continue with "
                f"`tidemask resume {run.root}`."
            ) from error

    on_first_rank(save)
