"""The composition root: from a configuration to objects, and from objects to a trained run.

Everything that a command does to a run directory is a function here or in `measuring.py`; the
command line only reads arguments and shows results.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from tidemask.config import CorpusReference, Recipe, RunConfig, read_run_config, to_yaml
from tidemask.corpus.store import PreparedCorpus, open_corpus
from tidemask.corpus.verification import verify_corpus
from tidemask.errors import UserError, one_line
from tidemask.material import Material, Observer, build_masker, corpus_of
from tidemask.measuring import evaluate_model_of_run
from tidemask.model_card import model_card
from tidemask.modeling import SelectedPositionsLM, load_model
from tidemask.run_record import FINAL, MetricValue, RunDirectory, cut_metrics, write_atomically
from tidemask.starting import check_start, resolved, start_of, wrapped
from tidemask.training.continuation import (
    accumulation_on,
    check_identity,
    check_request,
    decided_on_first_rank,
    identity_of,
    sole_process,
)
from tidemask.training.distributed import (
    barrier,
    is_agreed,
    join_launched_processes,
    rank_and_size,
)
from tidemask.training.engine import naming_lost_processes
from tidemask.training.freed_memory import keep_freed_memory
from tidemask.training.interruption import Interrupted, Interruption
from tidemask.training.reporting import check_trackers
from tidemask.training.resume import (
    ResumePoint,
    clear_unfinished,
    clear_unmade,
    find_resume_point,
    force_tree,
    read_state,
    room_on,
    set_aside_damaged,
)
from tidemask.training.stopping import leave_if_asked
from tidemask.training.trainer import Hooks, MaskedLMTrainer
from tidemask.watching import measure_at_start, measure_in_run

_BEGINNING = ResumePoint(0, None)


def new_run(recipe: Recipe, corpus: Path, out: Path) -> RunDirectory:
    """Make the directory of a run that has not started.

    Raises:
        UserError: the corpus is missing or does not fit the recipe, the model cannot be had or
            does not fit the corpus, or `out` exists and is not empty. Nothing is written then.
    """
    config, opened = _planned(recipe, corpus)
    run = RunDirectory(out)
    decided_on_first_rank(lambda: _make(run, config, opened))
    return run


def new_or_same_run(recipe: Recipe, corpus: Path, out: Path) -> bool:
    """The run in `out` if it is the one that is asked for; made if none has begun there.

    So one command both starts a run and continues it, and a scheduler may give it again. What a
    process that was killed left of a directory before its run.yaml is taken away.

    Returns:
        Whether it is finished.

    Raises:
        UserError: as `new_run`; `out` holds a run with other settings, which are named.
    """
    config, opened = _planned(recipe, corpus)
    run = RunDirectory(out)

    def make_or_find() -> bool:
        if run.config.is_file():
            existing = read_run_config(run.config)
            check_request(_request(existing), _request(config), run.config)
            return run.model.exists()
        clear_unmade(run)
        _make(run, config, opened)
        return False

    return decided_on_first_rank(make_or_find)


def _request(config: RunConfig) -> dict[str, Any]:
    """What a command asks for, however it is put and wherever the corpus lies."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return {**plain, "overrides": [], "corpus": plain["corpus"]["fingerprint"]}


def _planned(recipe: Recipe, corpus: Path) -> tuple[RunConfig, PreparedCorpus]:
    join_launched_processes()
    opened = open_corpus(corpus)
    check_trackers(recipe.training.report_to)
    material = Material.of(opened)
    build_masker(recipe.name, recipe.masking, material, recipe.training.max_steps)
    model, training = resolved(recipe.model), recipe.training
    start = check_start(model, material, seed=training.seed, precision=training.precision)
    if training.learning_rate == "auto":
        training = replace(training, learning_rate=start.learning_rate)
    config = RunConfig(
        recipe=recipe.name,
        overrides=recipe.overrides,
        corpus=CorpusReference(path=str(corpus.resolve()), fingerprint=opened.manifest.fingerprint),
        masking=recipe.masking,
        model=model,
        model_fingerprint=start.fingerprint,
        training=training,
        evaluation=recipe.evaluation,
    )
    if not is_agreed(to_yaml(config)):
        raise UserError(
            f"processes disagree: rank {rank_and_size()[0]} was asked for recipe {config.recipe} "
            f"with {', '.join(config.overrides) or 'no settings'} on {config.corpus.path}, others "
            "for something else. Give every process the same command."
        )
    return config, opened


def _make(run: RunDirectory, config: RunConfig, corpus: PreparedCorpus) -> None:
    out = run.root
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"output exists: {out} is not an empty directory. "
            "Name another, or continue the run in it with `tidemask resume`."
        )
    environment = json.dumps(_environment(corpus), indent=2) + "\n"
    existed = out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        write_atomically(run.environment, environment)
        write_atomically(run.config, to_yaml(config))
    except UserError:
        clear_unmade(run)
        if not existed:
            out.rmdir()
        raise


def train(
    run: RunDirectory,
    observer: Observer | None = None,
    interruption: Interruption | None = None,
) -> ResumePoint:
    """Train a run to its end, from its newest complete checkpoint or from the beginning.

    Then the final model is saved and measured. The result equals that of a run that was never
    interrupted.

    Args:
        run: made by `new_run`, or interrupted.
        observer: told how it goes.
        interruption: says when to stop; nothing stops it if left out.

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
    observer = observer or Observer()
    config = read_run_config(run.config)
    with sole_process(run), naming_lost_processes(run):
        return _train(run, config, observer, interruption or Interruption())


def _train(
    run: RunDirectory, config: RunConfig, observer: Observer, interruption: Interruption
) -> ResumePoint:
    if run.model.exists():
        raise UserError(
            f"run is finished: {run.root} has its final model. "
            "Evaluate it with `tidemask evaluate`, or start another run."
        )
    corpus = corpus_of(config)
    verify_corpus(corpus)
    material = Material.of(corpus)
    point = find_resume_point(run)
    trainer = _build_trainer(run, config, material, observer, point, interruption)
    _record_engine(run, trainer)
    engine = trainer.engine_notes(config.training.sharding)
    idle = [*config.masking.without_effect(), *config.training.without_effect()]
    for note in [*engine, *idle, *resume_notes(run, point)]:
        observer.on_note(note)
    barrier()
    if rank_and_size()[0] == 0:
        clear_unfinished(run)
        set_aside_damaged(point)
        trainer.prune_checkpoints()
        cut_metrics(run.metrics, point.step)
    with interruption.deferred():
        leave_if_asked(interruption)
        trainer.train_from(point.path)
        if trainer.stopping.stopped_by is not None:
            raise Interrupted(trainer.stopping.stopped_by)
        trainer.refuse_diverged_weights()
        last = load_model(run.checkpoint(config.training.max_steps))
        final = wrapped(last, config.model, material)
        stoppable = _stoppable(observer, interruption)
        evaluate_model_of_run(run, FINAL, final, config, material, stoppable)
        _save_final_model(run, final, material)
    return point


def _record_engine(run: RunDirectory, trainer: MaskedLMTrainer) -> None:
    """Write what runs into the environment of the run; a resume may change it."""
    environment = {**run.read_environment(), "engine": trainer.engine()}
    if rank_and_size()[0] == 0:
        write_atomically(run.environment, json.dumps(environment, indent=2) + "\n")


def _stoppable(observer: Observer, interruption: Interruption) -> Observer:
    """The observer of an evaluation that ends where the training is asked to stop."""

    def on_progress(stage: str, done: int, total: int | None) -> None:
        observer.on_progress(stage, done, total)
        leave_if_asked(interruption)

    return dataclasses.replace(observer, on_progress=on_progress)


def resume_notes(run: RunDirectory, point: ResumePoint) -> list[str]:
    """What a user should know of where a run continues, one sentence each."""
    notes = [
        f"{path.name} is damaged ({problem}); it is passed over." for path, problem in point.damaged
    ]
    if point.path is None and not run.metrics.exists():
        return notes
    if point.path is None:
        return [*notes, "No checkpoint was saved yet; starting from the first step."]
    return [*notes, f"Continuing after step {point.step}."]


def _build_trainer(
    run: RunDirectory,
    config: RunConfig,
    material: Material,
    observer: Observer,
    point: ResumePoint = _BEGINNING,
    interruption: Interruption | None = None,
) -> MaskedLMTrainer:
    interruption = interruption or Interruption()
    identity = identity_of(masking=config.masking, model=config.model, training=config.training)
    identity["model_fingerprint"] = config.model_fingerprint
    accumulation = None
    if point.path is not None:
        saved = read_state(point.path)
        check_identity(saved["identity"], identity, point.path)
        accumulation = accumulation_on(config.training, saved["global_batch_size"])
    total = config.training.max_steps

    def on_step(step: int, record: Mapping[str, MetricValue] | None) -> None:
        if record is not None:
            observer.on_record(record)
        observer.on_progress("training", step, total)

    stoppable = _stoppable(observer, interruption)
    quiet = _stoppable(Observer(), interruption)
    evaluate = measure_in_run(material, config.evaluation, observer.measures, observer=quiet)
    return MaskedLMTrainer(
        _model_at(point, config, material, observer),
        config.training,
        masker=build_masker(config.recipe, config.masking, material, total),
        dataset=material.training_set(config.training.seed),
        run=run,
        tokenizer=material.tokenizer,
        identity=identity,
        accumulation_steps=accumulation,
        hooks=Hooks(
            evaluate=evaluate,
            at_start=measure_at_start(run, config, material, evaluate, stoppable),
            evaluate_every_steps=config.evaluation.interval(total) if evaluate else 0,
            on_step=on_step,
            callbacks=observer.callbacks,
        ),
        interruption=interruption,
    )


def _model_at(
    point: ResumePoint, config: RunConfig, material: Material, observer: Observer
) -> SelectedPositionsLM:
    """The model of a checkpoint, which needs nothing else; or the one that the run starts from."""
    if point.path is not None:
        return wrapped(load_model(point.path), config.model, material)
    start = start_of(config.model, material, seed=config.training.seed)
    start.refuse_other_than(config.model_fingerprint, config.model)
    for note in start.notes:
        observer.on_note(note)
    return wrapped(start.model, config.model, material)


def _save_final_model(run: RunDirectory, final: SelectedPositionsLM, material: Material) -> None:
    """Save the model of the last checkpoint, with its tokenizer and its card."""
    staged = run.root / ".model.tmp"

    def save() -> None:
        shutil.rmtree(staged, ignore_errors=True)
        try:
            final.language_model.save_pretrained(staged)
            material.tokenizer.save_pretrained(staged)
            token = str(material.tokenizer.mask_token)
            card = model_card(run, material.corpus.manifest, mask_token=token)
            (staged / "README.md").write_text(card, encoding="utf-8")
            force_tree(staged)
            staged.rename(run.model)
        except Exception as error:  # each library has its own for a full disk
            shutil.rmtree(staged, ignore_errors=True)
            raise UserError(
                f"final model not saved: {run.model}: {one_line(error)}. {room_on(run.root)} "
                f"Make room, then continue with `tidemask resume {run.root}`."
            ) from error

    decided_on_first_rank(save)


def _environment(corpus: PreparedCorpus) -> dict[str, Any]:
    counts = corpus.manifest.train.class_counts
    total = max(1, corpus.manifest.train.num_tokens)
    packages = ["tidemask", "torch", "transformers", "accelerate", "tokenizers", "pyarrow", "numpy"]
    cuda = torch.cuda.is_available()
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
        "device": torch.cuda.get_device_name() if cuda else f"cpu ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "processes": rank_and_size()[1],
        "corpus": {
            "path": str(corpus.root.resolve()),
            "fingerprint": corpus.manifest.fingerprint,
            "class_share": {name: count / total for name, count in counts.items()},
        },
    }
