"""`tidemask evaluate` that is stopped: no process is left, and what is measured is kept."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS, ended, wait_until
from evaluated_tasks import QUICK, Command
from small_runs import command
from tidemask.run_record import RunDirectory


@pytest.mark.slow
def test_evaluating_in_parallel_leaves_no_process_behind(fresh: RunDirectory, tasks: Path) -> None:
    arguments = [*QUICK, "fine_tuning.num_seeds=100", "--no-random", "--tasks", "cola,stsb"]
    started = subprocess.Popen(
        command(["evaluate", str(fresh.root), *arguments, "--tasks-from", str(tasks), "--jobs=2"]),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(started):
        workers = _workers(started, fresh)
        started.send_signal(signal.SIGTERM)
        _, err = started.communicate(timeout=HUNG_SECONDS)
    assert started.returncode == 143
    assert err.splitlines()[-1].startswith("tidemask: ended by SIGTERM")
    for worker in workers:
        with suppress(ProcessLookupError):  # readable when it ends
            select.select([os.pidfd_open(worker)], [], [])


def _workers(process: subprocess.Popen[str], run: RunDirectory) -> list[int]:
    """Processes that measure, once they do."""
    wait_until(lambda: bool(list(run.evaluation.glob("trials/*.json"))), process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    commands = {int(c): Path(f"/proc/{c}/cmdline").read_text() for c in children}
    return [child for child, line in commands.items() if "spawn_main" in line]


def _has_results(run: RunDirectory, number: int) -> bool:
    return len(list(run.evaluation.glob("cola--*.json"))) >= number


@pytest.mark.slow
def test_evaluating_goes_on_after_a_kill_and_after_ctrl_c(
    tidemask: Command, fresh: RunDirectory, run: RunDirectory, tasks: Path, tmp_path: Path
) -> None:
    shutil.copytree(run.root, tmp_path / "whole", ignore=shutil.ignore_patterns("evaluation"))
    whole = RunDirectory(tmp_path / "whole")
    arguments = [*QUICK, "fine_tuning.epochs=3", "fine_tuning.num_seeds=6", "--no-random"]
    arguments += ["--tasks", "cola", "--tasks-from", str(tasks)]
    assert tidemask("evaluate", whole.root, *arguments)[0] == 0
    for stop, files in ((signal.SIGKILL, 1), (signal.SIGINT, 3)):
        process = subprocess.Popen(
            command(["evaluate", str(fresh.root), *arguments], warm=True),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with ended(process):
            enough = partial(_has_results, fresh, files)
            wait_until(enough, process)
            process.send_signal(stop)
            _, err = process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("tidemask: interrupted. Results so far are saved; give")
    assert "Traceback" not in err
    done = {path: path.read_bytes() for path in fresh.evaluation.glob("cola--*.json")}
    assert 3 <= len(done) < 6
    assert tidemask("evaluate", fresh.root, *arguments)[0] == 0
    assert {path: path.read_bytes() for path in done} == done
    for path in whole.evaluation.glob("*.json"):
        one, other = (json.loads(p.read_text()) for p in (path, fresh.evaluation / path.name))
        assert one["metrics"] == other["metrics"], path.name
        assert one["learning_rate"] == other["learning_rate"]
    assert {p.name for p in whole.evaluation.glob("*.json")} == {
        p.name for p in fresh.evaluation.glob("*.json")
    }
