"""The guide on choosing a policy: its commands exist, and what it says of the search holds."""

from __future__ import annotations

import re

import pytest

from documented_commands import check_command
from places import ROOT
from tidemask.runs.config import recipe_names
from tidemask.tuning import policies, time_plan

TEXT = (ROOT / "docs/guides/tuning.md").read_text(encoding="utf-8")


def test_tuning_guide_commands_and_recipes_exist() -> None:
    lines = re.findall(r"^tidemask (?:tune|prepare) .*$", TEXT, flags=re.MULTILINE)
    assert len(lines) >= 2
    for line in lines:
        check_command(line)
    table = TEXT.partition("## What is known")[0]
    named = re.findall(r"`([a-z0-9-]+)`", table.partition("| you want |")[2])
    assert len(named) >= 8
    assert set(named) <= {*recipe_names()}


def test_tuning_guide_compiles() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    compile(block, "tuning.md", "exec")


def test_tuning_guide_gives_the_bounds_and_shares_of_the_search() -> None:
    text = " ".join(TEXT.split())
    low, end, high = policies.MIN_START, policies.MIN_END, policies.MAX_RATIO
    assert f"its start, {low} to {high} %; its end, {end} to {high} %" in text
    assert f"No run has fewer than {time_plan.MIN_STEPS} steps" in text
    assert (time_plan.GROWTH, time_plan.FINALISTS) == (3, 3)
    plan = time_plan.planned_time(
        time_plan.RunCosts(step_seconds=0.01, other_seconds=0.0, final_seconds=0.0),
        36_000.0,
        num_seeds=3,
        jobs=1,
    )
    assert plan.rungs[-1].until == pytest.approx(0.45 * 36_000)
    assert 9 * plan.final_steps * 0.01 == pytest.approx(0.45 * 36_000, rel=0.01)
