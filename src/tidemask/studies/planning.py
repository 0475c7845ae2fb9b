"""From the definition of a study to its runs, in the order in which they are trained.

Runs go seed by seed, and within a seed arm by arm, the baseline first: whenever a study is stopped,
the seeds that are whole are a fair comparison.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidemask.errors import UserError
from tidemask.runs.config import Recipe, load_recipe
from tidemask.runs.overrides import overridden_paths
from tidemask.runs.settings_reading import WrongOverridesError
from tidemask.settings import shown
from tidemask.studies.definition import StudyDefinition, read_study
from tidemask.studies.lengths import length_of
from tidemask.studies.paths import recipe_of

_DECIDING_THE_LOSS = ("part", "final_sequences", "final_draws")
"""Settings of the evaluation on which the held-out loss of a finished run depends."""


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of a study.

    Attributes:
        corpus_name: of several corpora; empty if there is one.
        arm: its policy.
        seed: of weights, data order and dropout.
        corpus: the prepared corpus.
        recipe: the policy with all of its settings, the seed among them.
        place: directory of the run within that of the study.
        with_random: whether the architecture with random weights is measured beside it.
    """

    corpus_name: str
    arm: str
    seed: int
    corpus: Path
    recipe: Recipe
    place: Path
    with_random: bool = False

    def __hash__(self) -> int:
        return hash(self.place)

    @property
    def num_steps(self) -> int:
        """Its optimizer steps."""
        return self.recipe.training.num_steps

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.place.parent.relative_to('runs')} seed {self.seed}"


@contextmanager
def naming_study(origin: Path) -> Iterator[None]:
    """Name the file of a study in what is wrong with its paths, recipes or settings."""
    try:
        yield
    except UserError as error:
        raise UserError(f"wrong study in {origin}: {error}") from error


def read_trainable(path: Path) -> StudyDefinition:
    """The definition of a study from its file, if each of its arms has a recipe.

    Raises:
        UserError: as `read_study` and `arm_recipes`, with the file.
    """
    study = read_study(path)
    with naming_study(path):
        arm_recipes(study)
    return study


def arm_recipes(study: StudyDefinition) -> dict[str, Recipe]:
    """The recipe of every arm, with the settings of the study and its own over it.

    Raises:
        UserError: a recipe does not exist, a setting is wrong, two arms have equal settings, or
            settings name a seed. It begins with the key of the study whose value is wrong.
    """
    recipes = {}
    for name, arm in study.arms.items():
        overrides = [*study.settings, *arm.overrides]
        if "training.seed" in overridden_paths(overrides):
            raise UserError(
                f"seed in the settings of arm {name}: training.seed. Expected seeds in `seeds` "
                "alone, which gives every arm the same."
            )
        try:
            recipes[name] = recipe_of(arm, overrides)
        except UserError as error:
            problem = error.problem if isinstance(error, WrongOverridesError) else error
            raise UserError(f"{_place_of_problem(study, name)}: {problem}") from error
    _refuse_equal(recipes)
    return recipes


def _place_of_problem(study: StudyDefinition, name: str) -> str:
    """The key of a study whose value keeps an arm from having a recipe.

    It is the first that does, without those that stand over it.
    """
    arm = study.arms[name]
    for place, overrides in ((f"arms.{name}.recipe", ()), ("settings", study.settings)):
        try:
            recipe_of(arm, overrides)
        except UserError:
            return place
    return f"arms.{name}.overrides"


def _refuse_equal(recipes: Mapping[str, Recipe]) -> None:
    seen: dict[str, str] = {}
    for name, recipe in recipes.items():
        content = repr([recipe.masking, recipe.model, recipe.training, recipe.evaluation])
        if content in seen:
            raise UserError(
                f"arms with equal settings: {seen[content]} and {name}. Expected policies that "
                "differ; leave one out, or correct its recipe or overrides."
            )
        seen[content] = name


def planned_runs(
    study: StudyDefinition, recipes: Mapping[str, Recipe], steps: Mapping[tuple[str, str], int]
) -> list[PlannedRun]:
    """The runs of a study, in their order.

    Args:
        study: with absolute paths.
        recipes: by arm.
        steps: length of the runs by name of the corpus and arm, in optimizer steps.
    """
    return list(_planned(study, recipes, steps))


def _planned(
    study: StudyDefinition, recipes: Mapping[str, Recipe], steps: Mapping[tuple[str, str], int]
) -> Iterator[PlannedRun]:
    arms = sorted(study.arms, key=lambda name: name != study.baseline)  # stable: the baseline first
    measured: set[str] = set()
    for seed in study.seeds:
        for corpus_name, corpus in study.corpora.items():
            for arm in arms:
                recipe = _of_length(arm, recipes[arm], steps[corpus_name, arm])
                architecture = f"{corpus_name} {recipe.model}"
                yield PlannedRun(
                    corpus_name=corpus_name,
                    arm=arm,
                    seed=seed,
                    corpus=Path(corpus),
                    recipe=load_recipe(recipe, [f"training.seed={seed}"]),
                    place=Path("runs", corpus_name, arm, f"seed-{seed}"),
                    with_random=bool(study.evaluation.tasks) and architecture not in measured,
                )
                measured.add(architecture)


def _of_length(arm: str, recipe: Recipe, num_steps: int) -> Recipe:
    """The recipe of an arm with so many steps.

    Raises:
        UserError: another of its settings does not fit them, such as a longer warm-up.
    """
    if recipe.training.max_steps == num_steps:
        return recipe
    try:
        return load_recipe(recipe, length_of(num_steps))
    except UserError as error:
        raise UserError(
            f"budget that an arm cannot meet: {arm} would have {num_steps:,} steps to spend what "
            f"the baseline does: {error}"
        ) from error


def unequal_settings(recipes: Mapping[str, Recipe], baseline: str) -> list[str]:
    """Settings beside the masking in which an arm differs from the baseline, one sentence each."""
    sentences = []
    for name, recipe in recipes.items():
        for section in ("model", "training", "evaluation"):
            own, other = (getattr(r, section) for r in (recipe, recipes[baseline]))
            for field in dataclasses.fields(own):
                value, usual = getattr(own, field.name), getattr(other, field.name)
                if value != usual:
                    apart = (
                        " Its held-out loss is measured otherwise, so that the page shows it apart."
                        if field.name in _DECIDING_THE_LOSS
                        else ""
                    )
                    sentences.append(
                        f"Arm {name} differs from {baseline} in {section}.{field.name}="
                        f"{shown(value)} against {shown(usual)}, beside its masking.{apart}"
                    )
    return sentences
