"""Overrides: those of one call hold in any order, and what a run lists is what it trains with."""

from __future__ import annotations

import dataclasses
from itertools import permutations
from pathlib import Path

import pytest

from tidemask import UserError, load_recipe
from tidemask.masking.corruption import Corruption
from tidemask.masking.schedule import Linear
from tidemask.masking.sequence_ratio import UniformAround
from tidemask.masking.weighting import ByClassLoss, ByTable
from tidemask.runs.config import Recipe, to_yaml

TOGETHER = [
    ("mrd-cosine", ["masking.ratio.start=0.5", "masking.ratio.schedule=linear"],
     {"ratio": Linear(start=0.5)}),
    ("bert", ["masking.content.sharpness=9", "masking.content.weighting=class_loss"],
     {"content": ByClassLoss(sharpness=9.0)}),
    ("bert", ["masking.per_sequence.half_width=0.1", "masking.per_sequence.distribution=uniform"],
     {"per_sequence": UniformAround(half_width=0.1)}),
    ("bert", ["masking.prediction.end=0.1", "masking.prediction.start=0.2",
              "masking.prediction.schedule=linear"],
     {"prediction": Linear(start=0.2, end=0.1)}),
    ("bert", ["masking.ratio.start=0.5", "masking.ratio={schedule: linear, start: 0.4, end: 0.1}"],
     {"ratio": Linear(start=0.5, end=0.1)}),
    ("bert", ["masking.content.blend.end=0.5", "masking.content.blend.schedule=linear",
              "masking.content.blend.start=1.0", "masking.content.weighting=class_loss"],
     {"content": ByClassLoss(blend=Linear(start=1.0, end=0.5))}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "overrides", "expected"), TOGETHER)
def test_overrides_hold_in_any_order(
    name: str, overrides: list[str], expected: dict[str, object]
) -> None:
    recipe = load_recipe(name)
    masking = dataclasses.replace(recipe.masking, **expected)
    for ordered in permutations(overrides):
        assert load_recipe(name, list(ordered)).masking == masking
        assert load_recipe(recipe, list(ordered)).masking == masking


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["masking.ratio.strat=0.5", "masking.ratio.schedule=linear"], r"strat\. Did you mean st"),
        (["masking.content.sharpnes=9", "masking.content.weighting=class_loss"], "sharpnes"),
        (["masking.ratio.start=0.5", "masking.ratio={schedule: constant}"], r"ratio\.start"),
        (
            ["masking.ratio={schedule: linear, start: 0.5}", "masking.ratio.schedule=cosine"],
            r"exclude each other: masking\.ratio=\{schedule: linear, start: 0\.5\} and masking",
        ),
        (["overrides=[masking.ratio.ratio=0.4]"], "no setting: 'overrides="),
    ],
)
def test_overrides_that_do_not_fit_each_other_are_refused(
    overrides: list[str], message: str
) -> None:
    for ordered in permutations(overrides):
        with pytest.raises(UserError, match=message):
            load_recipe("bert", list(ordered))


def test_overrides_for_one_field_end_with_the_last_which_alone_is_listed() -> None:
    recipe = load_recipe(
        "bert", ["training.seed=2", "training={seed: 4, max_steps: 9}", "training.seed=3"]
    )
    assert recipe.training.seed == 3
    assert recipe.overrides == ("training.max_steps=9", "training.seed=3")
    assert load_recipe("bert", ["training.seed=3"] * 2).overrides == ("training.seed=3",)


def test_overrides_by_a_mapping_leave_the_other_fields_of_a_section() -> None:
    cosine = load_recipe("mrd-cosine")
    for written in ("masking={unit: span, spans: {p: 0.3}}", "masking.unit=span"):
        recipe = load_recipe("mrd-cosine", [written])
        assert (recipe.masking.ratio, recipe.masking.unit) == (cosine.masking.ratio, "span")
    kept = load_recipe("bert", ["masking.corruption.random=0", "masking.corruption={keep: 0.2}"])
    assert kept.masking.corruption == Corruption(mask=0.8, random=0.0, keep=0.2)
    table = load_recipe("nouns-only", ["masking.content.weights={VERB: 1}"]).masking.content
    assert table == ByTable(weights={"VERB": 1.0})
    in_epochs = load_recipe("bert", ["training={max_epochs: 2}"])
    assert (in_epochs.training.max_steps, in_epochs.training.max_epochs) == (None, 2)


def test_overrides_of_a_recipe_in_a_file_are_applied(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "masking: {ratio: {schedule: constant, ratio: 0.3}}\n"
        "overrides: [masking.ratio.ratio=0.4, training.max_steps=3]\n"
    )
    recipe = load_recipe(path)
    assert (recipe.masking.ratio(0.0), recipe.training.max_steps) == (0.4, 3)
    further = load_recipe(path, ["training.max_epochs=2"])
    assert (further.training.max_steps, further.training.max_epochs) == (None, 2)
    path.write_text("overrides: [masking.rtio=0.4]\n")
    with pytest.raises(UserError, match=r"mine\.yaml: unknown key masking\.rtio"):
        load_recipe(path)


def test_overrides_that_a_recipe_lists_and_does_not_have_are_refused() -> None:
    with pytest.raises(UserError, match=r"has other settings than it lists: .*ratio=0\.4"):
        load_recipe(Recipe(overrides=("masking.ratio.ratio=0.4",)))


def test_overrides_that_are_listed_are_those_in_effect(tmp_path: Path) -> None:
    first = load_recipe("mrd-linear", ["masking.ratio.start=0.5", "masking={unit: token}"])
    second = load_recipe(first, ["masking.ratio.schedule=cosine", "training.seed=3"])
    assert second.overrides == (
        "masking={unit: token}", "masking.ratio.schedule=cosine", "training.seed=3",
    )  # fmt: skip
    third = load_recipe(second, {"masking.unit": "word", "masking.ratio": {"schedule": "linear"}})
    assert third.overrides[0] == "training.seed=3"
    for recipe in (first, second, third):
        path = tmp_path / "written.yaml"
        path.write_text(to_yaml(recipe), encoding="utf-8")
        assert load_recipe(path) == load_recipe(recipe) == recipe
