"""What one step of an arm costs: in predicted tokens, FLOPs or seconds."""

from __future__ import annotations

import functools
import hashlib
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tidemask.corpus.store.manifest import Manifest
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.modeling.settings import ModelSettings
from tidemask.run_record import RunDirectory, read_metrics
from tidemask.runs.config import Recipe, load_recipe
from tidemask.studies.budget import predicted_share
from tidemask.studies.definition import StudyDefinition, StudyEvaluation
from tidemask.studies.launching import run_worker
from tidemask.studies.lengths import length_of, manifests_of
from tidemask.studies.worker import RunJob

if TYPE_CHECKING:  # it needs torch
    from tidemask.modeling.training_flops import TrainingFlops

_MEASURED_STEPS = 8
_FIRST_STEPS = 2
"""Not counted: they wait for compilers, caches and loaders."""
_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class MeasuredStep:
    """What was measured of an arm on this machine.

    Attributes:
        seconds: of one step, the median of several, over a whole schedule that is compressed.
        model_bytes: of the final model on the disk.
        checkpoint_bytes: of a checkpoint.
    """

    seconds: float
    model_bytes: int
    checkpoint_bytes: int


def step_costs(
    study: StudyDefinition,
    recipes: Mapping[str, Recipe],
    kept: Mapping[str, float],
    measured_seconds: Callable[[str, str], float],
) -> dict[str, float]:
    """What a step of every arm costs on every corpus, in the unit that `study.equal` names.

    Args:
        study: none of its costs is known where all steps count alike.
        recipes: by arm.
        kept: costs that are known, under the keys of this function; they hold for good, so that
            a study which is continued has the lengths that it began with.
        measured_seconds: called with the names of a corpus and an arm, where seconds are equal.

    Returns:
        Costs by `cost_key`.
    """
    found: dict[str, float] = {}
    if study.equal == "steps":
        return found
    manifests: Mapping[str, Manifest] = {}
    for corpus, path in study.corpora.items():
        for arm, recipe in recipes.items():
            key = cost_key(study, corpus, arm, recipe)
            if key in kept:
                found[key] = kept[key]
            elif study.equal == "seconds":
                found[key] = measured_seconds(corpus, arm)
            else:
                manifests = manifests or manifests_of(study)
                found[key] = _counted(study, path, manifests[corpus], recipe)
    return found


def cost_key(study: StudyDefinition, corpus: str, arm: str, recipe: Recipe) -> str:
    """Under which a cost is kept; it changes with the settings of the arm."""
    settings = [study.equal, study.processes, recipe.masking, recipe.model, recipe.training]
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:_DIGITS]
    return f"{'/'.join(filter(None, (corpus, arm)))} {digest}"


def _counted(study: StudyDefinition, corpus: str, manifest: Manifest, recipe: Recipe) -> float:
    """Predicted tokens or FLOPs of a step: in expectation, over rows as the corpus has them."""
    sequences = recipe.training.sequences_per_step(study.processes)
    maskable = manifest.train.num_tokens / max(1, manifest.train.num_sequences)
    predicted = sequences * maskable * predicted_share(recipe.masking)
    if study.equal == "predicted_tokens":
        return predicted
    flops = _flops(recipe.model, given_path(corpus, "corpus"))
    return flops.total(sequences * manifest.sequence_length, round(predicted))


@functools.cache
def _flops(settings: ModelSettings, corpus: Path) -> TrainingFlops:
    """Of a token, seen and predicted, by the model that is trained on a corpus.

    Raises:
        UserError: the formula does not hold for its architecture.
    """
    from tidemask.corpus.store.corpus import open_corpus
    from tidemask.modeling.training_flops import training_flops
    from tidemask.runs.corpus_inputs import CorpusInputs
    from tidemask.runs.initial_model import load_initial_model
    from tidemask.runs.model_fit import training_module

    data = CorpusInputs.of(open_corpus(corpus))
    model = training_module(load_initial_model(settings, data, seed=0).model, settings, data)
    flops = training_flops(model, data.corpus.manifest.sequence_length)
    if flops is None:
        raise UserError(
            f"FLOPs are not known: of the architecture {model.language_model.config.model_type}, "
            "with equal=flops. Compare at equal steps, predicted_tokens or seconds."
        )
    return flops


def measured_step(
    study: StudyDefinition, corpus: str, recipe: Recipe, threads: int
) -> MeasuredStep:
    """Train a few steps of an arm in a process of its own, in a place that is deleted again.

    Raises:
        UserError: it cannot be trained.
    """
    short = load_recipe(
        recipe,
        [
            *length_of(_MEASURED_STEPS),
            "training.lr_warmup_steps=auto",
            "training.lr_decay_steps=auto",
            "training.logging_steps=1",
            f"training.save_steps={_MEASURED_STEPS}",
            "training.report_to=none",
            "evaluation.final_draws=1",
            "evaluation.final_sequences=1",
            "evaluation.sequences=1",
            f"evaluation.every_steps={_MEASURED_STEPS}",
        ],
    )
    with tempfile.TemporaryDirectory(prefix="tidemask-") as directory:
        place = Path(directory)
        job = RunJob(
            corpus=corpus,
            recipe=short,
            out=str(place / "run"),
            attempts=str(place / "attempts.jsonl"),
            evaluation=StudyEvaluation(checkpoints="all"),  # so that the checkpoint stays
            processes=study.processes,
        )
        status = run_worker(
            job, place / "log", {"OMP_NUM_THREADS": str(threads)}, is_stopping=lambda: False
        )
        if status != 0:
            said = (place / "log").read_text(encoding="utf-8", errors="replace").strip()
            raise UserError(
                f"step of recipe {recipe.name} not measured: {(said.splitlines() or [''])[-1]}"
            )
        run = RunDirectory(place / "run")
        times = [float(line["wall_seconds"]) for line in read_metrics(run.metrics)]
        steps = [after - before for before, after in pairwise(times)]
        return MeasuredStep(
            seconds=statistics.median(steps[_FIRST_STEPS:]),
            model_bytes=_bytes(run.model),
            checkpoint_bytes=_bytes(run.checkpoint(_MEASURED_STEPS)),
        )


def _bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
