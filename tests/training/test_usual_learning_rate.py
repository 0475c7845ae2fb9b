"""The peak learning rate of a run that is given none."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_runs import started
from tidemask.runs.config import load_recipe, read_run_config
from tidemask.runs.creation import new_run

SIZES = {
    "bert-tiny": 1e-3,
    "bert-mini": 1e-3,
    "bert-small": 5e-4,
    "bert-base": 2e-4,
    "bert-large": 1e-4,
}


@pytest.mark.parametrize(("size", "rate"), SIZES.items())
def test_run_yaml_has_the_number_for_the_size(
    size: str, rate: float, corpus: Path, tmp_path: Path
) -> None:
    recipe = load_recipe("bert", [f"model.size={size}"])
    run = new_run(recipe, corpus, tmp_path / "run")
    assert read_run_config(run.config).training.learning_rate == rate


def test_a_number_that_is_given_stands(corpus: Path, tmp_path: Path) -> None:
    run = started(corpus, tmp_path / "run", "bert", "training.learning_rate=3e-4")
    assert read_run_config(run.config).training.learning_rate == 3e-4
