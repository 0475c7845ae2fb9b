"""Settings without the places of a machine: whatever its paths are called, none is left."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.masking.weighting import ByEntries
from tidemask.runs.config import ContinuedFrom, CorpusReference, RunConfig, load_recipe, to_yaml
from tidemask.runs.placeless import placeless, placeless_values

HOME = "/home/lovelace"


def config_of(directory: str, overrides: tuple[str, ...] = ()) -> RunConfig:
    """A run with a path of every kind, all in one directory."""
    recipe = load_recipe("bert", ["training.max_steps=8"])
    return RunConfig(
        recipe="bert",
        overrides=overrides,
        corpus=CorpusReference(path=f"{directory}/corpus", fingerprint="f"),
        masking=dataclasses.replace(
            recipe.masking, content=ByEntries(weights=f"{directory}/w.tsv", fingerprint="w")
        ),
        model=dataclasses.replace(recipe.model, size=None, warm_start=f"{directory}/model"),
        training=recipe.training,
        evaluation=recipe.evaluation,
        continued_from=ContinuedFrom(run=f"{directory}/run", step=4),
    )


@all_cases("directory", [
    HOME, f"{HOME}/it's here", f"{HOME}/{'a long way ' * 15}down", f"{HOME}/é: - #", f'{HOME}/"',
])  # fmt: skip
def test_no_place_is_left_however_it_is_written(directory: str) -> None:
    """YAML breaks a long path at its spaces, and doubles a quote in it."""
    overrides = (
        f"model.warm_start={directory}/other/../model" if " " not in directory else "model={}",
        "masking.content={weighting: entries, weights: ~/lovelace/w.tsv}",
        "training.max_steps=8",
    )
    before = config_of(directory, overrides)
    found = placeless(before)
    assert HOME not in to_yaml(found)
    assert "lovelace" not in to_yaml(found)
    named = config_of("")
    expected = dataclasses.replace(
        named,
        corpus=dataclasses.replace(named.corpus, path="corpus"),
        masking=dataclasses.replace(
            named.masking, content=ByEntries(weights="w.tsv", fingerprint="w")
        ),
        model=dataclasses.replace(named.model, warm_start="model"),
        continued_from=ContinuedFrom(run="run", step=4),
        overrides=found.overrides,
    )
    assert found == expected
    assert found.overrides[-1] == "training.max_steps=8"


def test_what_is_no_path_stays() -> None:
    overrides = ("model.warm_start=google/bert_uncased", "masking.unit=word")
    before = config_of("not/absolute", overrides)
    assert placeless(before) == before


def test_a_setting_of_an_earlier_version_stays_as_it_was() -> None:
    """The file of a run is not filled with the defaults of the version that uploads it."""
    read = {"recipe": "bert", "corpus": {"path": f"{HOME}/corpus", "old": 1}, "overrides": []}
    assert placeless_values(read) == {**read, "corpus": {"path": "corpus", "old": 1}}


def test_an_override_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^unreadable setting: 'no-value'"):
        placeless_values({"overrides": ["no-value"]})
