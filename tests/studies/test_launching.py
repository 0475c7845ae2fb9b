"""A worker that dies before it has read its job is waited for, and its status told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemask.runs.config import load_recipe
from tidemask.studies import launching
from tidemask.studies.worker import RunJob


@pytest.mark.slow
def test_a_worker_that_dies_at_once_is_a_status_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemask.studies.launching.sys.executable", "/bin/false")
    job = RunJob(corpus="c", recipe=load_recipe("bert"), out="o", attempts="a")
    for number in range(20):
        log = tmp_path / f"{number}.log"
        assert launching.run_worker(job, log, {}, is_stopping=lambda: False) == 1
