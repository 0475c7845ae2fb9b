"""Every path of a study is relative to the file in which it stands, wherever a command is given."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.studies.agreement import to_yaml
from tidemask.studies.definition import StudyDefinition, read_study
from tidemask.studies.paths import resolved_paths
from tidemask.studies.planning import arm_recipes

PLAIN: dict[str, Any] = {
    "corpus": "corpus",
    "baseline": "constant",
    "seeds": [0],
    "arms": {"constant": {"recipe": "bert"}, "decay": {"recipe": "mrd-cosine"}},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the file; the present one is another, where the same names are, too."""
    for directory in ("study", "present"):
        for name in ("corpus", "data", "models/base", "up"):
            (tmp_path / directory / name).mkdir(parents=True)
        (tmp_path / directory / "config.json").write_text("{}")
        (tmp_path / directory / "own.yaml").write_text("masking: {unit: word}\n")
        (tmp_path / directory / "task.yaml").write_text("{}")
    monkeypatch.chdir(tmp_path / "present")
    return tmp_path / "study"


def resolved(place: Path, **fields: Any) -> StudyDefinition:
    (place / "study.yaml").write_text(json.dumps({**PLAIN, **fields}))
    return resolved_paths(read_study(place / "study.yaml"), place)


def test_every_field_that_is_a_path_lies_beside_the_file(place: Path) -> None:
    arms = {**PLAIN["arms"], "own": {"recipe": "./own.yaml"}}
    evaluation = {
        "tasks": ["held-out", "task.yaml"],
        "tasks_from": "data",
        "task_data": {"cola": "../study/up"},
    }
    study = resolved(place, arms=arms, evaluation=evaluation)
    assert study.corpus == str(place / "corpus")
    assert study.arms["own"].recipe == str(place / "own.yaml")
    assert study.arms["decay"].recipe == "mrd-cosine"
    assert study.evaluation.tasks == ("held-out", str(place / "task.yaml"))
    assert study.evaluation.tasks_from == str(place / "data")
    assert study.evaluation.task_data == {"cola": str(place / "up")}
    several = resolved(place, corpus={"a": "corpus", "b": "/elsewhere"})
    assert several.corpora == {"a": str(place / "corpus"), "b": "/elsewhere"}
    texts = _texts(dataclasses.asdict(study))
    assert not [text for text in texts if not Path(text).is_absolute() and Path(text).exists()]


@all_cases(
    "override",
    [
        "model.warm_start=models/base",
        "model.warm_start=./models/base",
        'model.warm_start = "models/base"',
        "model.warm_start=../study/models/base",
        "model={warm_start: models/base, dropout: 0.2}",
        "model.config=config.json",
        "model: {}",
    ],
)
def test_models_in_overrides_lie_beside_the_file(place: Path, override: str) -> None:
    if override == "model: {}":
        with pytest.raises(
            UserError, match=r"arms\.decay\.overrides: unreadable setting: 'model: \{\}'"
        ):
            resolved(place, arms=_arms(override))
        return
    for study in (
        resolved(place, settings=["model.size=null", override]),
        resolved(place, arms=_arms("model.size=null", override)),
    ):
        model = arm_recipes(study)["decay"].model
        expected = "config.json" if "config" in override else "models/base"
        assert (model.config or model.warm_start) == str(place / expected)
        assert model.dropout == (0.2 if "dropout" in override else None)
        kept = place / "definition.yaml"
        kept.write_text(to_yaml(study))
        assert arm_recipes(read_study(kept))["decay"].model == model
        assert resolved_paths(read_study(kept), Path("/elsewhere")) == study


def test_a_name_on_the_hub_stays_and_a_directory_of_another_place_is_refused(place: Path) -> None:
    settings = ["model.warm_start=google/bert_uncased_L-2_H-128_A-2"]
    assert resolved(place, settings=settings).settings == tuple(settings)
    Path("google/bert_uncased_L-2_H-128_A-2").mkdir(parents=True)
    with pytest.raises(UserError, match=r"path from another directory: model\.warm_start=google/"):
        resolved(place, settings=settings)
    with pytest.raises(UserError, match=r"arms\.decay\.overrides: path from another directory"):
        resolved(place, arms=_arms(*settings))


def test_a_model_that_a_recipe_file_names_lies_beside_that_file(place: Path) -> None:
    recipes = place / "recipes"
    recipes.mkdir()
    (recipes / "start").mkdir()
    for own in (
        {"model": {"warm_start": "start"}},
        {"model": {"warm_start": "./start"}},
        {"overrides": ["model.warm_start=start"]},
    ):
        (recipes / "warm.yaml").write_text(json.dumps(own))
        arms = {**PLAIN["arms"], "warm": {"recipe": "recipes/warm.yaml"}}
        recipe = arm_recipes(resolved(place, arms=arms))["warm"]
        assert recipe.model.warm_start == str(recipes / "start")
    (place / "own.yaml").write_text(json.dumps({"model": {"size": None, "config": "config.json"}}))
    arms["warm"]["recipe"] = "own.yaml"
    recipe = arm_recipes(resolved(place, arms=arms))["warm"]
    assert recipe.model.config == str(place / "config.json")


@all_cases(
    "override",
    [
        "masking.content={weighting: entries, weights: words.tsv}",
        "masking={content: {weighting: entries, weights: ./words.tsv}, unit: word}",
        "masking.content={weighting: mixture, parts: [{share: 1.0, content: {weighting: entries, "
        "weights: words.tsv}}]}",
        "masking.phases=[{until: 0.5, unit: token}, {until: 1.0, content: {weighting: entries, "
        "weights: words.tsv}}]",
    ],
)
def test_files_of_weights_lie_beside_the_file(place: Path, override: str) -> None:
    for directory in (place, Path.cwd()):
        (directory / "words.tsv").write_text(f"river\t{len(directory.name)}.0\n")
    expected = str(place / "words.tsv")
    study = resolved(place, arms=_arms(override))
    assert expected in _texts(dataclasses.asdict(arm_recipes(study)["decay"].masking))
    apart = ["masking.content.weighting=entries", "masking.content.weights=words.tsv"]
    study = resolved(place, settings=apart)
    assert arm_recipes(study)["decay"].masking.content.weights == expected
    recipes = place / "recipes"
    recipes.mkdir(exist_ok=True)
    (recipes / "own.yaml").write_text(json.dumps({"overrides": [override]}))
    (place / "words.tsv").rename(recipes / "words.tsv")
    arms = {**PLAIN["arms"], "own": {"recipe": "recipes/own.yaml"}}
    recipe = arm_recipes(resolved(place, arms=arms))["own"]
    assert str(recipes / "words.tsv") in _texts(dataclasses.asdict(recipe.masking))
    with pytest.raises(UserError, match=r"path from another directory: masking\..*weights=words"):
        resolved(place, settings=apart)


def _arms(*overrides: str) -> dict[str, Any]:
    return {**PLAIN["arms"], "decay": {"recipe": "mrd-cosine", "overrides": list(overrides)}}


def _texts(value: Any) -> list[str]:
    """All strings in nested values."""
    if isinstance(value, dict):
        return _texts([*value.values()])
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) and value else []
