"""From a recipe and a corpus to the directory of a run that has not started."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError
from tidemask.files.atomic import write_atomically
from tidemask.masking.weighting import ByEntries
from tidemask.modeling.settings import with_absolute_paths
from tidemask.run_record import RunDirectory
from tidemask.runs.config import CorpusReference, Recipe, RunConfig, read_run_config, to_yaml
from tidemask.runs.constant_predictions import growing_batches
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.runs.corpus_masker import build_masker
from tidemask.runs.entry_weights import recorded
from tidemask.runs.initial_model import plan_initial_model, recorded_plan
from tidemask.runs.machine import this_machine
from tidemask.runs.policy_contents import without_places
from tidemask.runs.reference import reference_measure
from tidemask.runs.started_on import verify_inputs
from tidemask.system_errors import why_refused
from tidemask.training.checkpoint_files import clear_unmade
from tidemask.training.distributed import (
    is_same_on_every_rank,
    join_launched_processes,
    on_first_rank,
    rank_and_size,
)
from tidemask.training.resume_checks import check_request
from tidemask.training.trackers import check_trackers


def new_run(recipe: Recipe, corpus: Path, out: Path) -> RunDirectory:
    """Make the directory of a run that has not started.

    Raises:
        UserError: the corpus is missing or does not fit the recipe, the model cannot be had or
            does not fit the corpus, or `out` exists and is not empty. Nothing is written then.
    """
    config, data = _planned(recipe, corpus)
    run = RunDirectory(out)
    on_first_rank(lambda: _make(run, config, data))
    return run


def new_or_same_run(recipe: Recipe, corpus: Path, out: Path) -> bool:
    """Find the run in `out` if it has the settings asked for; make it if there is none.

    So one command both starts a run and continues it, and a scheduler may give it again. What a
    process that was killed left of a directory before its run.yaml is taken away. A corpus that was
    moved is followed.

    Returns:
        Whether it is finished.

    Raises:
        UserError: as `new_run`; `out` holds a run with other settings, which are named.
    """
    join_launched_processes()
    run = RunDirectory(out)
    existing = on_first_rank(lambda: read_run_config(run.config) if run.config.is_file() else None)
    # A length in epochs or tokens is the steps that it was when the run was made, on however many
    # processes it goes on.
    processes = on_first_rank(run.read_environment).get("processes") if existing else None
    config, data = _planned(recipe, corpus, existing, processes)

    def make_or_find() -> bool:
        if existing is not None:
            check_request(_request(existing), _request(config), run.config)
            is_finished = run.is_finished
            if not is_finished:
                _follow_inputs(run, existing, config)
            return is_finished
        clear_unmade(run)
        _make(run, config, data)
        return False

    return on_first_rank(make_or_find)


def _follow_inputs(run: RunDirectory, existing: RunConfig, asked: RunConfig) -> None:
    """Note where the corpus and files of weights lie now, if they are gone from where they were.

    Only then: the file of a run that another process trains is not to change.

    Args:
        run: whose run.yaml may be written.
        existing: what it holds.
        asked: the same settings, with the places of today.
    """
    corpus, masking = existing.corpus, existing.masking
    if not Path(corpus.path).is_dir():
        corpus = dataclasses.replace(corpus, path=asked.corpus.path)
    files = [Path(one.weights) for one in masking.contents if isinstance(one, ByEntries)]
    if not all(path.is_file() for path in files):
        masking = asked.masking
    found = dataclasses.replace(existing, corpus=corpus, masking=masking)
    if found != existing:
        write_atomically(run.config, to_yaml(found), what="configuration of the run")


def _request(config: RunConfig) -> dict[str, Any]:
    """The settings that a command asks for, without their wording and the places of files."""
    config = dataclasses.replace(config, masking=without_places(config.masking))
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    del plain["corpus"]["path"]
    return {**plain, "overrides": []}


def _planned(
    recipe: Recipe,
    corpus: Path,
    existing: RunConfig | None = None,
    num_processes: int | None = None,
) -> tuple[RunConfig, CorpusInputs]:
    """What a command asks for; the model that an existing run started from is not looked at."""
    join_launched_processes()
    opened = open_corpus(corpus)
    check_trackers(recipe.training.report_to)
    data = CorpusInputs.of(opened).for_policy(recipe.masking, recipe.columns)
    num_ranks = rank_and_size()[1] if num_processes is None else num_processes
    training = data.planned(recipe.training, recipe.training.sequences_per_step(num_ranks))
    masking = recorded(recipe.masking)
    build_masker(recipe.name, masking, data, training.num_steps)
    growth = growing_batches(recipe.masking, training, data, num_ranks)
    data.stream(training, training.sequences_per_step(num_ranks), growth)
    reference_measure(recipe.masking, recipe.evaluation, data)
    model = with_absolute_paths(recipe.model, existing.model if existing is not None else None)
    if training.micro_batch_size > len(opened.train):
        raise UserError(
            f"micro-batch larger than the corpus: training.micro_batch_size="
            f"{training.micro_batch_size}, and {opened.root} has {len(opened.train)} training "
            "sequences. Set a smaller one."
        )
    if existing is None:
        on_first_rank(lambda: verify_inputs(data))
        plan = plan_initial_model(model, data, training)
    else:
        plan = recorded_plan(model, existing)
    try:
        training = training.resolved(learning_rate=plan.learning_rate, precision=plan.precision)
    except ValueError as error:
        raise UserError(
            f"precision that a setting does not run in here: training.{error}"
        ) from None
    config = RunConfig(
        recipe=recipe.name,
        overrides=recipe.overrides,
        corpus=CorpusReference(
            path=str(opened.root.resolve()),
            fingerprint=opened.manifest.fingerprint,
            columns=data.column_fingerprints,
        ),
        masking=masking,
        model=model,
        model_fingerprint=plan.fingerprint,
        training=training,
        evaluation=recipe.evaluation,
    )
    if not is_same_on_every_rank(to_yaml(config)):
        raise UserError(
            f"processes disagree: rank {rank_and_size()[0]} was asked for recipe {config.recipe} "
            f"with {', '.join(config.overrides) or 'no settings'} on {config.corpus.path}, others "
            "for something else. Give every process the same command."
        )
    return config, data


def _make(run: RunDirectory, config: RunConfig, data: CorpusInputs) -> None:
    out = run.root
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"output exists: {out} is not an empty directory. "
            "Name another, or continue the run in it with `tidemask resume`."
        )
    environment = json.dumps(run_environment(data), indent=2) + "\n"
    existed = out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"run directory cannot be made: {why_refused(error, out)}.") from error
    try:
        write_atomically(run.environment, environment)
        write_atomically(run.config, to_yaml(config))
    except UserError:
        clear_unmade(run)
        if not existed:
            out.rmdir()
        raise


def run_environment(data: CorpusInputs) -> dict[str, Any]:
    """Versions, hardware, processes and corpus of a run that is made now.

    Shares of classes are those of preparation, and of the columns of classes that the run reads.

    The global batch of the run is that of these processes, on however many it goes on.
    """
    corpus = data.corpus
    counts, total = corpus.manifest.train.class_counts, max(1, corpus.manifest.train.num_tokens)
    shares = {name: count / total for name, count in counts.items()}
    both = max(1, corpus.manifest.train.num_tokens + corpus.manifest.held_out.num_tokens)
    for column in data.columns:
        shares |= {name: count / both for name, count in column.manifest.class_counts.items()}
    return {
        **dataclasses.asdict(this_machine()),
        "processes": rank_and_size()[1],
        "corpus": {
            "path": str(corpus.root.resolve()),
            "fingerprint": corpus.manifest.fingerprint,
            "class_share": shares,
        },
    }
