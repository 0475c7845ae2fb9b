"""Kills at random moments, and a training that goes on and on: the scripts of `benchmarks`."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.reliability.kills import kinds_of
from benchmarks.reliability.soak import slope
from child_processes import HUNG_SECONDS
from places import ROOT
from small_runs import warm_command


def _script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        warm_command(ROOT / "benchmarks/reliability" / name, *arguments),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=False,
    )


@pytest.mark.slow
def test_reliability_kills_of_every_kind_leave_no_trace() -> None:
    """A new seed each time; some of the kills are meant for a checkpoint that is being written."""
    seed = random.SystemRandom().randrange(1 << 32)
    done = _script("kills.py", "--kills", "8", f"--seed={seed}")
    assert done.returncode == 0, (seed, done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    assert lines[-1] == "8 kills: the same to the last bit"
    assert len([line for line in lines if line.startswith("kill ")]) == 8


@pytest.mark.slow
def test_reliability_kills_at_uniform_moments_leave_no_trace() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    done = _script("kills.py", "--uniform", "--kills", "3", f"--seed={seed}")
    assert done.returncode == 0, (seed, done.stdout, done.stderr)
    assert done.stdout.splitlines()[-1] == "3 kills: the same to the last bit"


def test_reliability_kills_are_of_every_kind() -> None:
    for number in (8, 12, 20):
        kinds = kinds_of(number, random.Random(0))
        assert len(kinds) == number
        assert kinds[-2:] == ["last evaluation", "final model"]
        assert kinds.count("checkpoint") >= number // 4
        assert {"start", "step", "deletion"} <= set(kinds)


def test_reliability_slope_is_that_of_the_steps_after_the_warm_up() -> None:
    rows = [{"step": s, "rss_bytes": 10_000 + (50 * s if s < 200 else 7 * s)} for s in range(1000)]
    found, error = slope(rows, "rss_bytes")
    assert found == pytest.approx(7.0)
    assert error == pytest.approx(0.0, abs=1e-6)
    noisy = [{**row, "rss_bytes": row["rss_bytes"] + (-1) ** row["step"] * 100} for row in rows]
    found, error = slope(noisy, "rss_bytes")
    assert abs(found - 7.0) < 4 * error
    assert 0.0 < error < 0.1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reliability_soak_reports_what_it_saw(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    done = _script("soak.py", "--minutes=9", "--steps=220", f"--json={path}", "model.dropout=0")
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    assert found["settings"] == ["model.dropout=0"]
    assert found["steps"] == found["rows"][-1]["step"] >= 220
    assert all(row["rss_bytes"] > 1e8 for row in found["rows"])
    assert len(found["threads"]) == 1
    assert len(found["open_files"]) == 1
    assert "bytes per step" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "argument"), [("kills.py", "--kills=0"), ("soak.py", "--minutes=0")]
)
def test_reliability_refuses_nothing_to_do(script: str, argument: str) -> None:
    done = _script(script, argument)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "expected" in done.stderr
