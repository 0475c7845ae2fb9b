"""Configuration: recipes, overrides, and one line that names every problem."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from cases import all_cases
from finished_runs import recorded_config
from tidemask import load_recipe
from tidemask.errors import UserError
from tidemask.masking.schedule import Linear, mean_ratio
from tidemask.masking.weighting import ByClassLoss
from tidemask.runs.config import Recipe, read_run_config, recipe_names, to_yaml

REQUIRED = {
    "bert", "roberta", "wettig-40", "modernbert-30", "constant-matched", "mrd-linear", "mrd-cosine",
    "ptw", "ptw-mrd", "ptw-paper", "ankner-linear", "ankner-cosine", "ankner-step", "ettin",
    "mmbert", "tiacbm-cyclic", "rising", "triangle", "valley", "mrd-warmup",
}  # fmt: skip
"""Recipes of architecture.md, section 5, that token and word units, uniform and class-loss weights
and the published schedules allow."""


def test_config_ships_every_recipe_that_the_parts_allow() -> None:
    assert set(recipe_names()) >= REQUIRED


@all_cases("name", recipe_names())
def test_config_every_recipe_says_what_it_is(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary.endswith(".")
    assert recipe.source
    assert recipe.deviations
    assert all(0.0 <= recipe.masking.ratio(s / 10) <= 1.0 for s in range(11))


def test_config_matched_constant_has_the_mean_of_its_schedule() -> None:
    matched = load_recipe("constant-matched").masking.ratio
    assert matched(0.3) == pytest.approx(mean_ratio(load_recipe("mrd-cosine").masking.ratio))
    assert matched(0.3) == pytest.approx(0.15 + 0.02)  # p (1 + cos) + 0.02 has the mean p + 0.02


def test_config_overrides_win_over_the_recipe() -> None:
    recipe = load_recipe("ptw", ["training.learning_rate=2e-3", "masking.content.sharpness=1"])
    assert recipe.training.learning_rate == 0.002
    assert recipe.masking.content == ByClassLoss(sharpness=1.0)


def test_config_another_schedule_discards_the_fields_of_the_old_one() -> None:
    recipe = load_recipe("bert", ["masking.ratio.schedule=linear", "masking.ratio.end=0.1"])
    assert recipe.masking.ratio == Linear(start=0.3, end=0.1)


def test_config_file_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("masking: {ratio: {schedule: linear, start: 4e-1, end: 0}, unit: word}\n")
    recipe = load_recipe(path)
    assert (recipe.name, recipe.masking.ratio(0.5), recipe.masking.unit) == ("mine", 0.2, "word")


def test_config_mapping_of_overrides_keeps_texts_as_they_are() -> None:
    texts = ["😀 ü", "010", "1e3", "a: b #c", '"', "\\", "\n\t"]
    assert [load_recipe("bert", {"name": text}).name for text in texts] == texts


@pytest.mark.parametrize("name", ["1e3", "08", "1:30", "yes", "😀"])
def test_config_with_a_name_like_a_number_is_read_back_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(to_yaml(load_recipe("bert", {"name": name})), encoding="utf-8")
    assert load_recipe(path).name == name


@pytest.mark.slow
def test_config_written_out_is_read_back_the_same(tmp_path: Path) -> None:
    for name in recipe_names():
        path = tmp_path / f"{name}.yaml"
        recipe = load_recipe(name)
        path.write_text(to_yaml(recipe))
        assert load_recipe(path) == recipe


def test_config_written_for_a_narrow_terminal_is_read_back_the_same(tmp_path: Path) -> None:
    recipe = load_recipe("pmi-masking")
    written = to_yaml(recipe, width=60)
    assert max(map(len, written.splitlines())) < 72 < max(map(len, to_yaml(recipe).splitlines()))
    (tmp_path / "saved.yaml").write_text(written)
    assert load_recipe(tmp_path / "saved.yaml") == recipe


PROBLEMS = [
    (["masking.ratio.strat=0.3"], r"unknown key masking\.ratio\.strat\. Did you mean start\?"),
    (["max_steps=3"], r"unknown key max_steps\. Did you mean training\.max_steps\?"),
    (["model.max_steps=3"], r"key model\.max_steps\. Did you mean training\.max_steps\?"),
    (["drop_out=0"], r"unknown key drop_out\. Did you mean model\.dropout\?"),
    (["trainin.max_steps=3"], r"unknown key trainin\. Did you mean training\?"),
    (["masking.ratio.start=1.3"], r"masking\.ratio\.start=1\.3\. Expected a number from 0 to 1"),
    (["masking.ratio.end=30"], r"masking\.ratio\.end=30\..*Did you mean 0\.3\?"),
    (["masking.ratio.schedule=cosin"], r"ratio\.schedule=cosin\..*Did you mean cosine\?"),
    (["masking.ratio={start: 0.3}"], r"masking\.ratio\.schedule is missing"),
    (["masking.content.weighting=loss"], r"content\.weighting=loss\. Expected one of uniform"),
    (["model.size=bert-tny"], r"model\.size=bert-tny\. Expected one of bert-tiny"),
    (["training.max_steps=0"], r"training\.max_steps=0\. Expected an integer from"),
    (["training.max_steps=9999999999999999999"], r"max_steps=9999999999999999999\."),
    (["training.max_steps=3000000000"], r"max_steps=3000000000\. Expected an integer from"),
    (["model.size=bert-tiyn"], r"Did you mean bert-tiny\?"),
    (["training.max_steps=2.5"], r"training\.max_steps=2\.5\. Expected a valid integer"),
    (["training.max_steps=true"], r"training\.max_steps=true\. Expected a valid integer"),
    (["training.lr_warmup_steps=x"], r"lr_warmup_steps=\"x\"\. Expected a valid integer or 'auto'"),
    (["masking.corruption.keep=0.5"], r"add up to 1\.4"),
    (
        ["masking.unit=sentence"],
        r"unit=\"sentence\"\. Expected 'token', 'word' or 'span' or .* such as \{group: sentence\}",
    ),
    (
        ["masking.unit.group=x"],
        r"unit is a value, not a section\. Write masking\.unit=\{group: x\}\.",
    ),
    (
        ["masking.prediction=all", "masking.prediction.end=0.1"],
        r"Write masking\.prediction=\{schedule: linear, end: 0\.1\}\.",
    ),
    (["masking.unit={grup: x}"], r"unit\.group is missing.*key masking\.unit\.grup\. .*mean group"),
    (["masking.unit={group: 3}"], r"masking\.unit\.group=3\. Expected a valid string"),
    (["masking.content={weighting: column}"], r"masking\.content\.column is missing"),
    (["masking.ratio=0.3"], r"ratio=0\.3\. .* such as \{schedule: constant, ratio: 0\.3\}"),
    (
        ["training.x=" + "9" * 5000],
        r"value of 'training\.x=9{49}\.\.\.', .*number 9{60} has",
    ),
    ([".".join("a" * 100_000) + "=1"], r"unreadable setting: 'a\.a\..*\.\.\.'\. Expected section"),
    (["training.max_steps=010"], r"max_steps=010', line 1, column 1: 010 is one number for some"),
    (["training.max_steps=1:30"], r"max_steps=1:30', line 1, column 1: 1:30 is one number"),
    (["masking.ratio={start: 1, start: 2}"], r"line 1, column 12: the key start is already in"),
    (["masking.ratio=&a [*a]"], r"line 1, column 1: &a is an anchor"),
    (["training.max_steps=" + "9" * 5000], r"the number 9+ has more than 64 bits"),
    (["masking.ratio={"], r"value of 'masking\.ratio=\{', line 1, column 2: "),
    (["masking.content=class_loss"], r"Expected a section, such as \{weighting: class_loss\}"),
    (["masking.per_sequence=3"], r"per_sequence=3\. .* such as \{distribution: uniform\}"),
    (["masking.ratio.schedule=[1]"], r"ratio\.schedule=\[1\]\. Expected one of constant"),
    (["training.adam_beta1=1.0"], r"adam_beta1=1\. Expected a number from 0 to below 1"),
    (["training.adam_epsilon=-1"], r"adam_epsilon=-1\."),
    (["training.learning_rate=.inf"], r"learning_rate"),
    (["model.dropout=1"], r"model\.dropout=1\."),
    (["masking=3"], r"masking=3\. Expected a section"),
    (["training.max_steps"], r"Expected section\.field=value"),
    (["training.seed=2", "training.seed.x=1"], r"seed is a value, not a section"),
    (["masking.ratio.start=nan"], r"masking\.ratio\.start"),
    (["masking.corruption.mask=x"], r"mask=\"x\"\. Expected a valid number or a section, such as"),
    (["masking.corruption.mask={schedule: lin}"], r"mask\.schedule=lin\..*Did you mean linear\?"),
    (["masking.ratio={schedule: linear, linear: 1}"], r"unknown key masking\.ratio\.linear\."),
    (
        ["masking.ratio={schedule: phases, phases: [{until: 1, ratio: {schedule: cyclic}}]}"],
        r"0\.ratio\.schedule=cyclic\. Expected one of constant, (?!.*(cyclic|phases|mean_of))",
    ),
    (["masking.ratio={schedule: phases, phases: [3]}"], r"phases\.0=3\. Expected a section"),
    (
        ["masking.content.weighting=x", "masking.rat=3"],
        r"weighting=x\. Expected one of uniform.* unknown key masking\.rat\. Did you mean ratio",
    ),
]


@all_cases(("overrides", "message"), PROBLEMS)
def test_config_names_what_is_wrong(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_recipe("mrd-cosine", overrides)
    assert "\n" not in str(caught.value)


def test_config_reports_all_problems_together() -> None:
    with pytest.raises(UserError) as caught:
        load_recipe("bert", ["model.dropout=2", "training.nonsense=1", "masking.ratio.ratio=-1"])
    for path in ("model.dropout=2", "training.nonsense", "masking.ratio.ratio=-1"):
        assert path in str(caught.value)


def test_config_says_whether_the_overrides_or_the_file_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("model: {size: bert-tiny, dropout: 2}\n")
    with pytest.raises(UserError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"wrong configuration in {path}: model.dropout=2")
    given = "wrong setting on the command line (`overrides` in Python): "
    with pytest.raises(UserError) as caught:
        load_recipe(path, ["training.seed=1", "training={max_stps: 5}"])
    assert str(caught.value).startswith(f"{given}training={{max_stps: 5}}: unknown key training.")
    assert f"Besides, in {path}: model.dropout=2" in str(caught.value)
    with pytest.raises(UserError) as caught:
        load_recipe("bert", ["training.max_steps=0"])
    assert str(caught.value).startswith(f"{given}training.max_steps=0. Expected")
    path.write_text("overrides: [training]\n")
    with pytest.raises(UserError, match=r"wrong overrides in .*own\.yaml: unreadable setting"):
        load_recipe(path)


@pytest.mark.parametrize("listed", ["", "training", "training.max_steps=[1"])
def test_config_of_a_run_that_lists_what_is_no_setting_is_refused(
    listed: str, tmp_path: Path
) -> None:
    """What reads the list is the card, after the training."""
    path = tmp_path / "run.yaml"
    config = recorded_config(load_recipe("bert", ["training.max_steps=4"]))
    path.write_text(to_yaml(config))
    assert read_run_config(path) == config
    path.write_text(to_yaml(replace(config, overrides=(listed,))))
    with pytest.raises(UserError, match=rf"^wrong overrides in {path}: "):
        read_run_config(path)


def test_config_schedule_within_itself_is_refused() -> None:
    with pytest.raises(UserError, match="mean_of"):
        load_recipe("bert", ["masking.ratio={schedule: mean_of, of: {schedule: mean_of}}"])


def test_config_keeps_what_was_set_over_the_recipe() -> None:
    assert load_recipe("ptw", ["masking.content.sharpness=1"]).overrides == (
        "masking.content.sharpness=1",
    )
    assert load_recipe("ptw").overrides == ()


def test_config_unknown_recipe_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such recipe: mrd-cosin\. Did you mean mrd-cosine\?"):
        load_recipe("mrd-cosin")
    with pytest.raises(UserError, match="no such file"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(UserError, match="Expected a mapping"):
        load_recipe(tmp_path / "list.yaml")
    for value, seen in (("3", "3"), ("abc", '"abc"'), ("{a: 1}", r'\{"a": 1\}'), ("null", "null")):
        (tmp_path / "overridden.yaml").write_text(f"overrides: {value}\n")
        with pytest.raises(UserError, match=rf"yaml: overrides={seen}\. Expected a list"):
            load_recipe(tmp_path / "overridden.yaml", ["training.seed=3"])
    (tmp_path / "torn.yaml").write_text("masking: {")
    with pytest.raises(UserError, match="unreadable file"):
        load_recipe(tmp_path / "torn.yaml")


def test_config_run_yaml_needs_its_corpus(tmp_path: Path) -> None:
    plain = yaml.safe_load(to_yaml(Recipe()))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({k: plain[k] for k in ("masking", "model")}))
    with pytest.raises(UserError, match=r"corpus is missing.*training is missing"):
        read_run_config(tmp_path / "run.yaml")
