"""A short run that is stopped is no failure; one that fails says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidemask.errors import UserError
from tidemask.runs.config import load_recipe
from tidemask.studies.short_runs import short_run
from tidemask.tuning.definition import TuneDefinition
from tidemask.tuning.measured_costs import measured_costs

BASE = load_recipe("bert")
DEFINITION = TuneDefinition(
    corpus="corpus", corpus_fingerprint="c", recipe="bert", recipe_fingerprint="r"
)


@pytest.fixture(autouse=True)
def ended_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is terminated before its first step."""

    def worker(_job: Any, log: Path, *_: Any, is_stopping: Callable[[], bool]) -> int:
        log.write_text("why\n" if not is_stopping() else "")
        return -15

    monkeypatch.setattr("tidemask.studies.short_runs.run_worker", worker)


def test_a_measurement_that_is_stopped_is_given_up_without_an_error() -> None:
    assert measured_costs(BASE, DEFINITION, threads=1, is_stopping=lambda: True) is None


def test_a_measurement_that_fails_says_why() -> None:
    with (
        pytest.raises(UserError, match=r"^step of recipe bert not measured: why$"),
        short_run("corpus", BASE, [], threads=1),
    ):
        pass
