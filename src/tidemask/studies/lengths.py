"""How many steps the runs of every arm have, so that all arms spend alike."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tidemask.corpus.store.corpus import open_corpus
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.run_record import RunDirectory, read_metrics
from tidemask.runs.config import Recipe, load_recipe
from tidemask.runs.corpus_inputs import CorpusInputs
from tidemask.studies.budget import predicted_share, steps_of_equal_cost
from tidemask.studies.definition import StudyDefinition
from tidemask.studies.launching import run_worker
from tidemask.studies.worker import RunJob

_MEASURED_STEPS = 8
_FIRST_STEPS = 2
"""Not counted: they wait for compilers, caches and loaders."""


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What was measured of an arm on this machine.

    Attributes:
        seconds: of one step, the median of several, over a whole schedule that is compressed.
        model_bytes: of the final model on the disk.
        checkpoint_bytes: of a checkpoint.
    """

    seconds: float
    model_bytes: int
    checkpoint_bytes: int


def own_lengths(
    study: StudyDefinition, recipes: Mapping[str, Recipe]
) -> dict[tuple[str, str], int]:
    """The steps that every recipe asks for on every corpus, by names of corpus and arm.

    Raises:
        UserError: a corpus does not open, or a length in epochs or tokens is none on it.
    """
    found = {}
    for name, path in study.corpora.items():
        data = CorpusInputs.of(open_corpus(given_path(path, "corpus")))
        for arm, recipe in recipes.items():
            batch = recipe.training.sequences_per_step(study.processes)
            found[name, arm] = data.planned(recipe.training, batch).num_steps
    return found


def equal_lengths(
    study: StudyDefinition,
    recipes: Mapping[str, Recipe],
    own: Mapping[tuple[str, str], int],
    seconds: Mapping[tuple[str, str], float],
) -> dict[tuple[str, str], int]:
    """The steps of every arm on every corpus, such that all spend what the baseline spends.

    Args:
        study: its `equal` says what is spent.
        recipes: by arm.
        own: steps that the recipes ask for; those of the baseline hold.
        seconds: of a step, by names of corpus and arm; for `equal: seconds`.

    Raises:
        UserError: arms of equal steps ask for different numbers of them, or no number of steps
            meets the budget.
    """
    lengths: dict[tuple[str, str], int] = {}
    for corpus in study.corpora:
        num_steps = own[corpus, study.baseline]
        if study.equal == "steps":
            for arm in recipes:
                if own[corpus, arm] != num_steps:
                    raise UserError(
                        f"arms of other lengths: {arm} has {own[corpus, arm]:,} steps and "
                        f"{study.baseline} {num_steps:,}, with equal=steps. Set a length in "
                        "`settings` of the study, such as training.max_steps=2000."
                    )
            costs = dict.fromkeys(recipes, 1.0)
        elif study.equal == "seconds":
            costs = {arm: seconds[corpus, arm] for arm in recipes}
        else:
            costs = {arm: _cost(study, recipe) for arm, recipe in recipes.items()}
        for arm, steps in steps_of_equal_cost(costs, study.baseline, num_steps).items():
            lengths[corpus, arm] = steps
    return lengths


def _cost(study: StudyDefinition, recipe: Recipe) -> float:
    """Of a step, in predicted tokens or FLOPs."""
    sequences = recipe.training.sequences_per_step(study.processes)
    return sequences * predicted_share(recipe.masking)


def measured_cost(study: StudyDefinition, corpus: str, recipe: Recipe, threads: int) -> StepCost:
    """Train a few steps of an arm in a process of its own, in a place that is deleted again.

    Raises:
        UserError: it cannot be trained.
    """
    short = load_recipe(
        recipe,
        [
            f"training.max_steps={_MEASURED_STEPS}",
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
        return StepCost(
            seconds=statistics.median(steps[_FIRST_STEPS:]),
            model_bytes=_bytes(run.model),
            checkpoint_bytes=_bytes(run.checkpoint(_MEASURED_STEPS)),
        )


def _bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
