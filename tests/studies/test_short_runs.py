"""A short run that is stopped is no failure; one that fails says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tidemask.errors import UserError
from tidemask.runs.config import load_recipe
from tidemask.studies.short_runs import MEASURED_STEPS, short_run
from tidemask.studies.worker import RunJob
from tidemask.tuning.definition import TuneDefinition
from tidemask.tuning.measured_costs import measured_costs

BASE = load_recipe("bert")
DEFINITION = TuneDefinition(
    corpus="corpus", corpus_fingerprint="c", recipe="bert", recipe_fingerprint="r"
)


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[RunJob]:
    """What a worker is given, which is terminated before its first step."""
    given = []

    def worker(job: RunJob, log: Path, *_: Any, is_stopping: Callable[[], bool]) -> int:
        given.append(job)
        log.write_text("why\n" if not is_stopping() else "")
        return -15

    monkeypatch.setattr("tidemask.studies.short_runs.run_worker", worker)
    return given


def test_a_measurement_that_is_stopped_is_given_up_without_an_error() -> None:
    assert measured_costs(BASE, DEFINITION, threads=1, is_stopping=lambda: True) is None


def test_a_measurement_that_fails_says_why() -> None:
    with (
        pytest.raises(UserError, match=r"^step of recipe bert not measured: why$"),
        short_run("corpus", BASE, [], threads=1),
    ):
        pass


def test_a_run_is_measured_under_the_settings_of_the_search_but_short(jobs: list[RunJob]) -> None:
    settings = ("evaluation={final_sequences: 7}", "training={max_steps: 5000, logging_steps: 99}")
    definition = replace(DEFINITION, settings=settings)
    measured_costs(load_recipe("bert", settings), definition, threads=1, is_stopping=lambda: True)
    recipe = jobs[0].recipe
    assert recipe.evaluation.final_sequences == 7
    assert (recipe.training.max_steps, recipe.training.logging_steps) == (MEASURED_STEPS, 1)
