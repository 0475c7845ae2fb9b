"""Which recipes can be searched over: those over which every policy that is drawn can be laid."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from cases import all_cases
from tidemask.errors import UserError
from tidemask.runs.config import load_recipe, recipe_names
from tidemask.tuning.asked import asked_search
from tidemask.tuning.policies import (
    BLENDS,
    MAX_RATIO,
    MIN_END,
    MIN_START,
    SCHEDULES,
    UNITS,
    Policy,
    searched_contents,
)
from tidemask.tuning.searchable import check_searchable

CONTENTS = searched_contents(has_classes=True)
POLICIES = [
    Policy(schedule=schedule, start=start, end=end, unit=unit, content=content, blend=blend)
    for schedule, unit, content, blend in product(SCHEDULES, UNITS, CONTENTS, BLENDS)
    for start, end in ((MAX_RATIO, MAX_RATIO), (MIN_START, MIN_START), (30, 15), (MIN_END, 70))
    if (schedule == "constant") == (start == end) and (content != "uniform" or blend == "full")
][::7]


def refusal(name: str) -> str:
    """What is said of a recipe; empty if it can be searched over."""
    try:
        check_searchable(load_recipe(name), CONTENTS)
    except UserError as error:
        return str(error)
    return ""


def masks_alike(name: str) -> bool:
    """Whether the unit of a policy changes nothing of the recipe over which it is laid."""
    units = [
        [part.unit for part in load_recipe(name, [f"masking.unit={unit}"]).masking.parts]
        for unit in ("token", "span")
    ]
    return units[0] == units[1]


@pytest.mark.slow
@all_cases("name", recipe_names())
def test_a_recipe_is_refused_if_a_policy_changes_nothing_or_contradicts_it(name: str) -> None:
    said = refusal(name)
    failing = 0
    for policy in POLICIES:
        try:
            load_recipe(name, policy.overrides)
        except UserError:
            failing += 1
    if not said:
        assert failing == 0
        assert not masks_alike(name)
    else:
        assert failing or any(part.unit or part.content for part in (
            *load_recipe(name).masking.sequences, *load_recipe(name).masking.phases
        ))  # fmt: skip


def test_the_usual_bases_can_be_searched_over() -> None:
    for name in ("bert", "roberta", "modernbert-30", "mrd-cosine", "ankner-linear", "ptw-mrd"):
        assert refusal(name) == "", name


def test_a_recipe_that_cannot_be_searched_over_is_one_line_and_what_to_do_helps(
    plain_corpus: Path,
) -> None:
    for name, said, remedy in (
        ("spanbert-hybrid", r"masking\.sequences\.0\.unit of spanbert-hybrid", "masking.sequences"),
        ("ccm", r"masking\.phases\.0\.unit of ccm", "masking.phases"),
        ("masked-diffusion", "content.weighting=frequency. Expected", "masking.loss_weight"),
    ):
        with pytest.raises(UserError, match=said) as error:
            asked_search(plain_corpus, 1.0, name, (), 2, 1, None)
        assert "\n" not in str(error.value)
        value = "one" if remedy.endswith("weight") else "[]"
        found = asked_search(plain_corpus, 1.0, name, [f"{remedy}={value}"], 2, 1, None)
        assert found.contents == searched_contents(has_classes=False)
    assert refusal("masked-diffusion").startswith("recipe that a search cannot vary: masked-diff")
