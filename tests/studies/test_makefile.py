"""`make STUDY` in `studies`: records name no place of the machine, however the command ended."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS, ended, wait_until
from places import ROOT

STANDS_IN = """#!/bin/sh
trap 'exit 0' TERM
mkdir -p results/ratio/runs/constant
for file in definition.yaml runs/constant/run.yaml runs/constant/environment.json; do
  echo "path: $PWD/corpora/books-10M" > results/ratio/$file
done
while [ "$STATUS" = none ]; do sleep 0.1; done
exit "$STATUS"
"""
"""Of `tidemask study`, which would train for hours: it writes records as that does, and ends."""


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    for name in ("bin", "corpora/books-10M", "tasks"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(ROOT / "studies" / "Makefile", tmp_path)
    command = tmp_path / "bin" / "tidemask"
    command.write_text(STANDS_IN)
    command.chmod(0o755)
    return tmp_path


def begun(studies: Path, status: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["make", "BIN=bin", "ratio"], cwd=studies, env={"STATUS": status, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def assert_placeless(studies: Path) -> None:
    records = [path for path in (studies / "results").rglob("*") if path.is_file()]
    assert len(records) == 3
    for path in records:
        assert path.read_text() == "path: corpora/books-10M\n"


@pytest.mark.parametrize("status", [0, 2, 130])
def test_records_name_no_place_and_the_status_stays(studies: Path, status: int) -> None:
    process = begun(studies, str(status))
    with ended(process):
        _, said = process.communicate(timeout=HUNG_SECONDS)
    assert (f"Error {status}" in said) is (status != 0)
    assert process.returncode == (2 if status else 0)
    assert_placeless(studies)


def test_a_signal_to_make_is_passed_on_and_records_name_no_place(studies: Path) -> None:
    last = studies / "results/ratio/runs/constant/environment.json"
    process = begun(studies, "none")
    with ended(process):
        wait_until(last.is_file, process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode != 0
    assert_placeless(studies)
