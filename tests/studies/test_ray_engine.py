"""Runs as tasks of Ray, started here: the same bytes, retried when lost, stopped in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS, ended, wait_until
from small_runs import TINY, records, same_weights, trained
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory
from tidemask.studies.attempts import read_attempts
from tidemask.studies.ray_engine import ray_engine

pytest.importorskip("ray")
pytestmark = pytest.mark.slow


def test_a_study_by_ray_has_the_numbers_of_runs_without_and_survives_a_lost_worker(
    corpus: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "out", tmp_path / "study.yaml"
    file.write_text(
        f"corpus: {corpus}\nbaseline: constant\nseeds: [0]\nsettings: {list(TINY)}\n"
        "arms: {constant: {recipe: bert}, decay: {recipe: mrd-cosine}}\n"
    )
    command = [sys.executable, "-m", "tidemask", "study", str(file), "--out", str(out),
               "--jobs", str(os.cpu_count()), "--engine", "ray"]  # fmt: skip
    attempts = out / "attempts/constant/seed-0.jsonl"
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with ended(process):
        wait_until(lambda: bool(read_attempts(attempts)), process)
        process.send_signal(signal.SIGTERM)
        _, notes = process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode == 0, notes
    assert "Stopped by SIGTERM" in notes
    assert read_attempts(attempts)[-1].outcome == "interrupted"

    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with ended(process):
        wait_until(lambda: len(read_attempts(attempts)) == 3, process)
        task = _parent(read_attempts(attempts)[-1].process)
        os.kill(task, signal.SIGKILL)
        _, notes = process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode == 0, notes
    assert "constant seed 0" in notes
    for arm, recipe in (("constant", "bert"), ("decay", "mrd-cosine")):
        run = RunDirectory(out / f"runs/{arm}/seed-0")
        alone = trained(corpus, tmp_path / arm, recipe)
        assert records(run) == records(alone)
        assert same_weights(run, alone)


def _parent(process: int) -> int:
    stat = Path(f"/proc/{process}/stat").read_text()
    return int(stat.rpartition(") ")[2].split()[1])


def test_an_address_where_nobody_answers_is_one_line_soon() -> None:
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "nowhere", "127.0.0.1:99999"):
        with pytest.raises(UserError) as error, ray_engine(address, 1, 1):
            pass
        assert str(error.value).startswith(f"no Ray cluster: {address} does not answer")
        assert "\n" not in str(error.value)
