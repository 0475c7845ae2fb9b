"""What one step of an arm costs: in predicted tokens, FLOPs or seconds."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidemask.corpus.store.manifest import Manifest
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.modeling.settings import ModelSettings
from tidemask.reading import ANY_LENGTH, read_json
from tidemask.runs.config import Recipe
from tidemask.studies.budget import predicted_share
from tidemask.studies.definition import StudyDefinition
from tidemask.studies.lengths import manifests_of
from tidemask.studies.short_runs import MEASURED_STEPS, seconds_of_step, short_run

if TYPE_CHECKING:  # it needs torch
    from tidemask.modeling.training_flops import TrainingFlops

_DIGITS = 12
_ADVICE = "Restore the file, or delete it to have costs counted or measured again."


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
            elif recipe.training.predictions_per_step is not None:
                raise UserError(
                    f"costs of a step are not known: arm {arm} has training.predictions_per_step="
                    f"{recipe.training.predictions_per_step}, so its steps differ. Compare at "
                    "equal steps."
                )
            elif study.equal == "seconds":
                found[key] = measured_seconds(corpus, arm)
            else:
                manifests = manifests or manifests_of(study)
                found[key] = _counted(study, path, manifests[corpus], recipe)
    return found


def kept_costs(path: Path) -> dict[str, float]:
    """The costs of a step that a study keeps, by `cost_key`; none before it has begun.

    Raises:
        UserError: the file is damaged, or a cost is not above 0.
        OSError: the system refuses; with the path.
    """
    if not os.path.lexists(path):
        return {}
    kept = read_json(
        path,
        dict[str, float],
        what="costs of a step",
        advice=_ADVICE,
        max_bytes=ANY_LENGTH,
    )
    for key, cost in kept.items():
        if not cost > 0.0:
            raise UserError(
                f"damaged costs of a step: {path}: {key}={cost:g}. Expected a number above 0. "
                f"{_ADVICE}"
            )
    return kept


def cost_key(study: StudyDefinition, corpus: str, arm: str, recipe: Recipe) -> str:
    """Under which a cost is kept; it changes with the settings of the arm."""
    settings = [study.equal, study.processes, recipe.masking, recipe.model, recipe.training]
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:_DIGITS]
    return f"{'/'.join(filter(None, (corpus, arm)))} {digest}"


def _counted(study: StudyDefinition, corpus: str, manifest: Manifest, recipe: Recipe) -> float:
    """Predicted tokens or FLOPs of a step: in expectation, over rows as the corpus has them."""
    sequences = recipe.training.sequences_per_step(study.processes)
    maskable = sequences * manifest.train.maskable_per_row
    predicted = maskable * predicted_share(recipe.masking)
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
    shortest = [
        f"training.save_steps={MEASURED_STEPS}",
        "evaluation.final_draws=1",
        "evaluation.final_sequences=1",
        "evaluation.sequences=1",
        f"evaluation.every_steps={MEASURED_STEPS}",
    ]
    with short_run(corpus, recipe, shortest, threads=threads, processes=study.processes) as (
        run,
        _,
    ):
        return MeasuredStep(
            seconds=seconds_of_step(run),
            model_bytes=_bytes(run.model),
            checkpoint_bytes=_bytes(run.checkpoint(MEASURED_STEPS)),
        )


def _bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
