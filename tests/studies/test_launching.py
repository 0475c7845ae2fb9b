"""How the process of a worker begins and ends: modules that it does not run, and its status."""

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


@pytest.mark.slow
def test_a_worker_runs_no_module_that_lies_in_the_present_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit(77)")
    monkeypatch.chdir(tmp_path)
    job = RunJob(corpus="missing", recipe=load_recipe("bert"), out="run", attempts="a.jsonl")
    status = launching.run_worker(job, tmp_path / "log", {}, is_stopping=lambda: False)
    assert (status, "missing" in (tmp_path / "log").read_text()) == (2, True)
