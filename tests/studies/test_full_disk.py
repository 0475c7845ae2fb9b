"""A disk that is full under a study: a clear line, nothing lost, and with room it goes on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from child_processes import HUNG_SECONDS, ended, wait_until
from places import SUPPORT
from small_disk import fill, small_disk
from small_runs import TINY, same_weights, warm_command
from tidemask.run_record import RunDirectory
from tidemask.studies.directory import State
from tidemask.studies.study import study_status

MIB = 1 << 20
SHORT = [*TINY, "training.max_steps=2"]
LONG = [*TINY, "training.max_steps=40", "training.save_steps=10", "training.keep_checkpoints=1",
        "evaluation.every_steps=40"]  # fmt: skip


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path) as place:
        yield place


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that had room."""
    root = tmp_path_factory.mktemp("whole")
    assert run(written(root, corpus, settings=LONG), root / "out").returncode == 0
    return root / "out"


def written(root: Path, corpus: Path, *, equal: str = "steps", settings: object = SHORT) -> Path:
    file = root / "study.yaml"
    file.write_text(
        f"corpus: {corpus}\nbaseline: constant\nseeds: [0]\nequal: {equal}\n"
        f"settings: {json.dumps(list(settings))}\n"  # type: ignore[call-overload]
        "arms: {constant: {recipe: bert}, decay: {recipe: mrd-cosine}}\n"
    )
    return file


def command(file: Path, out: Path) -> list[str]:
    return warm_command(SUPPORT / "study_command.py", "study", str(file), "--out", str(out))


def run(file: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(file, out),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=HUNG_SECONDS,
        check=False,
    )


def last_line(said: str) -> str:
    assert "Traceback" not in said, said
    return said.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("equal", ["steps", "flops"])
def test_a_study_that_finds_no_room_at_its_start_says_so_and_begins_later(
    equal: str, corpus: Path, tmp_path: Path, disk: Path
) -> None:
    file, out = written(tmp_path, corpus, equal=equal), disk / "out"
    filler = fill(disk, 0)
    done = run(file, out)
    assert done.returncode == 2, done.stderr
    assert "No space left on device. Make room, then give the command again." in last_line(
        done.stderr
    )
    assert str(out) in last_line(done.stderr)
    assert not list(out.glob("**/*.tmp"))
    filler.unlink()
    assert run(file, out).returncode == 0
    assert study_status(out).is_finished


@pytest.mark.slow
def test_a_study_without_room_for_its_page_says_so_and_keeps_the_runs(
    corpus: Path, tmp_path: Path, disk: Path
) -> None:
    file, out = written(tmp_path, corpus), disk / "out"
    assert run(file, out).returncode == 0
    page = (out / "report/index.html").read_bytes()
    filler = fill(disk, 16_384)
    done = run(file, out)
    assert done.returncode == 2
    assert "The page was not written: " in done.stderr
    assert "No space left on device. Make room" in last_line(done.stderr)
    assert (out / "report/index.html").read_bytes() == page
    assert study_status(out).is_finished
    filler.unlink()
    assert run(file, out).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("leave", [0, MIB])
def test_a_disk_that_fills_while_runs_go_on_loses_no_run(
    leave: int, whole: Path, corpus: Path, tmp_path: Path, disk: Path
) -> None:
    """Nothing more can be written; or small files can, but no checkpoint."""
    file, out = written(tmp_path, corpus, settings=LONG), disk / "out"
    process = subprocess.Popen(command(file, out), stderr=subprocess.PIPE, text=True)
    with ended(process):
        first = out / "runs/constant/seed-0"
        wait_until(lambda: (first / "checkpoint-10").is_dir(), process)
        filler = fill(disk, leave)
        _, said = process.communicate(timeout=HUNG_SECONDS)
    assert process.returncode == 2, said
    assert "Traceback" not in said
    assert "No space left on device. Make room" in said
    status = {one.run.arm: one for one in study_status(out).states}
    assert status["constant"].state in (State.FAILED, State.DEAD), (status, said)
    assert all(one.is_refused for one in status.values() if one.state is State.FAILED)
    assert leave == 0 or status["constant"].is_refused
    filler.unlink()
    again = run(file, out)
    assert again.returncode == 0, again.stderr
    assert study_status(out).is_finished
    for arm in ("constant", "decay"):
        place = f"runs/{arm}/seed-0"
        assert same_weights(RunDirectory(out / place), RunDirectory(whole / place))
