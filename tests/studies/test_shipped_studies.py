"""The studies of the repository: their files are whole, and their arms are what they are called."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tidemask.runs.config import Recipe
from tidemask.studies.definition import StudyDefinition, read_study
from tidemask.studies.paths import resolved_paths
from tidemask.studies.planning import arm_recipes

STUDIES = Path(__file__).parents[2] / "studies"
NAMES = sorted(path.stem for path in STUDIES.glob("*.yaml"))


def _read(name: str) -> tuple[StudyDefinition, dict[str, Recipe]]:
    study = resolved_paths(read_study(STUDIES / f"{name}.yaml"), STUDIES)
    return study, arm_recipes(study)


def _mean(recipe: Recipe) -> float:
    """The mean of the ratio over the run, by the middle of ten thousand steps."""
    return float(np.mean([recipe.masking.ratio((n + 0.5) / 10_000) for n in range(10_000)]))


@pytest.mark.parametrize("name", NAMES)
def test_study_has_five_seeds_a_question_and_a_measure(name: str) -> None:
    study, recipes = _read(name)
    assert len(study.seeds) >= 5
    assert study.question.endswith("?")
    assert study.primary == ("pos" if name == "crossing" else "held_out/loss")
    shapes = {repr(recipe.model) for recipe in recipes.values()}
    steps = {recipe.training.num_steps for recipe in recipes.values()}
    assert (len(shapes), len(steps)) == (1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_readme_counts_the_runs_and_the_tokens(name: str) -> None:
    study, recipes = _read(name)
    line = re.search(rf"\| \[{name}\].*\| (\d+) \| ([\d.]+) million \|", _readme())
    assert line is not None
    training = recipes[study.baseline].training
    tokens = training.num_steps * training.micro_batch_size * 128
    assert int(line[1]) == len(study.seeds) * len(recipes)
    assert float(line[2]) == pytest.approx(tokens / 1e6, rel=0.05)


def _readme() -> str:
    return (STUDIES / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("study", ["ratio", "long"])
def test_arms_with_an_equal_mean_have_one(study: str) -> None:
    _, recipes = _read(study)
    means = {arm: _mean(recipe) for arm, recipe in recipes.items()}
    matched = r"mrd-(linear|cosine|floor-(5|10)$)|rising|valley"
    equal = [arm for arm in means if re.match(matched, arm)]
    assert len(equal) >= 2
    assert {arm: means[arm] for arm in equal} == pytest.approx(
        dict.fromkeys(equal, means["constant-17"]), abs=1e-4
    )
    assert means["mrd-floor-15"] == pytest.approx(means["constant-30"])


def test_every_arm_of_the_content_has_a_control_of_its_ratio() -> None:
    _, recipes = _read("content")
    for recipe in recipes.values():
        assert recipe.masking.unit == "word"
        control = recipes["uniform" if recipe.masking.ratio(1.0) == 0.15 else "uniform-mrd"]
        assert recipe.masking.ratio == control.masking.ratio
