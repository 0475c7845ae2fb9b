"""How many steps the runs of every arm have, so that all arms spend alike."""

from __future__ import annotations

from collections.abc import Mapping

from tidemask.corpus.store.manifest import Manifest, read_manifest
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.runs.config import Recipe
from tidemask.studies.budget import steps_of_equal_cost
from tidemask.studies.definition import StudyDefinition
from tidemask.training.settings import TrainingSettings


def manifests_of(study: StudyDefinition) -> dict[str, Manifest]:
    """What is known of every corpus without opening it, by its name in the study.

    Raises:
        UserError: one is no prepared corpus.
    """
    return {
        name: read_manifest(given_path(path, "corpus") / "manifest.json")
        for name, path in study.corpora.items()
    }


def length_of(num_steps: int) -> list[str]:
    """The settings that make a run so many steps long, whatever length it had."""
    others = ("training.max_epochs=null", "training.max_tokens=null")
    return [*others, f"training.max_steps={num_steps}"]


def own_lengths(
    study: StudyDefinition, recipes: Mapping[str, Recipe]
) -> dict[tuple[str, str], int]:
    """The steps that every recipe asks for on every corpus, by names of corpus and arm.

    Raises:
        UserError: a corpus does not open, or a length in epochs or tokens is none on it.
    """
    return {
        (name, arm): length_on(path, recipe.training, study.processes)
        for name, path in study.corpora.items()
        for arm, recipe in recipes.items()
    }


def length_on(corpus: str, training: TrainingSettings, processes: int) -> int:
    """The steps that settings ask for on a corpus, in whatever unit they say it.

    Raises:
        UserError: the corpus does not open, or a length in epochs or tokens is none on it.
    """
    if training.max_steps is not None:
        return training.max_steps
    from tidemask.corpus.store.corpus import open_corpus
    from tidemask.runs.corpus_inputs import CorpusInputs

    data = CorpusInputs.of(open_corpus(given_path(corpus, "corpus")))
    return data.planned(training, training.sequences_per_step(processes)).num_steps


def equal_lengths(
    study: StudyDefinition,
    own: Mapping[tuple[str, str], int],
    costs: Mapping[tuple[str, str], float],
) -> dict[tuple[str, str], int]:
    """The steps of every arm on every corpus, such that all spend what the baseline spends.

    Args:
        study: its `equal` says what is spent.
        own: steps that the recipes ask for, by names of corpus and arm; the baseline's hold.
        costs: of a step, by the same, in one unit for each corpus.

    Raises:
        UserError: arms of equal steps ask for different numbers of them, or no number of steps
            meets the budget.
    """
    lengths: dict[tuple[str, str], int] = {}
    for corpus in study.corpora:
        num_steps = own[corpus, study.baseline]
        for arm in study.arms if study.equal == "steps" else ():
            if own[corpus, arm] != num_steps:
                raise UserError(
                    f"arms of other lengths: {arm} has {own[corpus, arm]:,} steps and "
                    f"{study.baseline} {num_steps:,}, with equal=steps. Set a length in "
                    "`settings` of the study, such as training.max_steps=2000."
                )
        of_arms = {arm: costs[corpus, arm] for arm in study.arms}
        for arm, steps in steps_of_equal_cost(of_arms, study.baseline, num_steps).items():
            lengths[corpus, arm] = steps
    return lengths
