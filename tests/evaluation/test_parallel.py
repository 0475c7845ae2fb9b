"""Evaluation by several processes: as by one, and only where it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evaluated_tasks import QUICK, RecordingDisplay
from tidemask.evaluation.evaluate import evaluate
from tidemask.evaluation.jobs import Job, JobResult
from tidemask.run_record import RunDirectory


@pytest.mark.slow
def test_evaluating_in_parallel_gives_what_one_after_the_other_gives(
    fresh: RunDirectory, run: RunDirectory, tasks: Path, tmp_path: Path
) -> None:
    targets = [fresh.root, run.model]
    options: dict[str, Any] = {
        "tasks": ["cola", "blimp", "qqp"],
        "overrides": QUICK,
        "tasks_from": tasks,
        "with_random": False,
        "out": tmp_path / "out",
    }
    display = RecordingDisplay()
    together = evaluate(targets, **options, jobs=2, progress=display)
    assert display.last == ("evaluation", 10, 10)
    apart = evaluate(targets, **options, jobs=1, progress=False)
    assert [result.problem for result in together] == [result.problem for result in apart]
    assert sum(bool(result.problem) for result in together) == 2
    for one, other in zip(together, apart, strict=True):
        assert (one.target, one.task, one.checkpoint) == (
            other.target,
            other.task,
            other.checkpoint,
        )
        assert [result.metrics for result in one.results] == [r.metrics for r in other.results]
        assert all(result.is_reused for result in other.results)


@pytest.mark.slow
def test_evaluating_in_parallel_from_a_script_without_a_guard_says_what_to_do(
    fresh: RunDirectory, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import tidemask\n"
        f"tidemask.evaluate({str(fresh.root)!r}, checkpoints='all', overrides={list(QUICK)!r},\n"
        f"                  tasks=['held-out', 'pseudo-perplexity'], jobs=2)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True
    )
    last = process.stderr.splitlines()[-1]
    assert process.returncode == 1
    assert "UserError: the processes that measure died before they began" in last
    assert 'below `if __name__ == "__main__":`, or with jobs=1' in last


def test_evaluating_takes_one_process_unless_more_are_asked_for(
    fresh: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    asked: list[int] = []

    def parallel(jobs: Sequence[Job], num_processes: int, _: object) -> list[JobResult]:
        asked.append(num_processes)
        return [job.result([]) for job in jobs]

    monkeypatch.setattr("tidemask.evaluation.evaluate.run_jobs_in_parallel", parallel)
    options: dict[str, Any] = {"tasks": ["held-out", "pseudo-perplexity"], "overrides": QUICK}
    evaluate(fresh.root, **options, with_random=False)
    assert asked == []
    evaluate(fresh.root, **options, jobs=0)
    assert asked == [3]
