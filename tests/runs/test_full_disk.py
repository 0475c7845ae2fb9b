"""A disk that is full: what was there stays, nothing is half, and with room the run goes on.

A small file system stands for the disk where one may be mounted, a limit on the size of files
where not.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from child_processes import HUNG_SECONDS
from prose import text
from small_disk import fill, small_disk
from small_runs import (
    TINY,
    command,
    problem_with,
    records,
    same_weights,
    started,
    stopped_at,
    trained,
)
from tidemask.corpus.prepare import prepare
from tidemask.errors import UserError
from tidemask.run_record import RunDirectory, append_metrics, read_metrics
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.train import train
from tidemask.studies.comparison import compare
from tidemask.training.event_files import EventFile

SETTINGS = (
    "training.max_steps=12", "training.save_steps=6", "training.logging_steps=1",
    "training.keep_checkpoints=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Twelve steps with a line for each, checkpoints at 6 and 12."""
    return trained(corpus, tmp_path_factory.mktemp("runs") / "unbroken", "ptw-mrd", *SETTINGS)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    with small_disk(tmp_path) as place:
        yield place


def _steps(run: RunDirectory) -> list[int]:
    return [step for step, _ in run.checkpoints()]


def _assert_whole(run: RunDirectory) -> None:
    """Every file that is there under its name is complete, and there is nothing else."""
    assert run.metrics.read_text().endswith("}\n")
    assert all(problem_with(path, step) is None for step, path in run.checkpoints())
    assert not list(run.root.glob("**/*.tmp"))
    assert not run.model.exists()


def _assert_continues_as(run: RunDirectory, unbroken: RunDirectory) -> None:
    train(run)
    assert same_weights(run, unbroken)
    assert repr(records(run)) == repr(records(unbroken))
    assert _steps(run) == _steps(unbroken)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "done", "leave", "message", "steps", "most_lines"),
    [
        (
            "training",
            9,
            3_000_000,
            r"checkpoint not saved: .*-12: No space .*-6\.$",
            [6],
            12,
        ),
        ("training", 7, 0, r"metrics not written: .*metrics.jsonl: No space left", [6], 11),
        (
            "held-out loss",
            1,
            0,
            r"result not written: .*held-out--final.npz: No sp.*`tidemask resume",
            [6, 12],
            12,
        ),
        (
            "held-out loss",
            1,
            500_000,
            r"final model not saved: .*/model: No space",
            [6, 12],
            12,
        ),
    ],
    ids=["checkpoint", "metrics", "evaluation", "model"],
)
def test_full_disk_loses_nothing(
    stage: str, done: int, leave: int, message: str, steps: list[int], most_lines: int,
    corpus: Path, unbroken: RunDirectory, disk: Path,
) -> None:  # fmt: skip
    run = started(corpus, disk / "run", "ptw-mrd", *SETTINGS)

    def on_progress(now: str, count: int, total: int | None) -> None:
        if (now, count) == (stage, done):
            fill(disk, leave)

    with pytest.raises(UserError, match=message):
        train(run, RunCallbacks(on_progress=on_progress))
    assert _steps(run) == steps
    assert len(records(run)) <= most_lines
    _assert_whole(run)
    (disk / "filler").unlink()
    _assert_continues_as(run, unbroken)


def test_full_disk_of_tensorboard_leaves_whole_points(disk: Path) -> None:
    events = EventFile(disk, disk / "tensorboard", 0)
    filler = fill(disk, 4096)
    done: list[int] = []

    def add_without_end() -> None:
        for step in itertools.count():
            events.add(step, {"loss": step / 3, "masking/ratio": 0.15})
            done.append(step)

    with pytest.raises(UserError, match=rf"event file .*tfevents.*: No .* resume {disk}`\.$"):
        add_without_end()
    filler.unlink()
    events.add(len(done), {"loss": len(done) / 3})
    drawn = EventAccumulator(str(disk / "tensorboard")).Reload().Scalars("loss")
    assert [point.step for point in drawn] == [*done, len(done)]


@pytest.mark.slow
def test_full_disk_with_tensorboard_is_one_line_and_no_thread(
    corpus: Path, disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The last pages of two files decide which of them is full first."""
    settings = (*SETTINGS, "training.report_to=tensorboard")
    run = started(corpus, disk / "run", "ptw-mrd", *settings)
    before = set(threading.enumerate())
    begun: set[threading.Thread] = set()

    def on_progress(stage: str, count: int, total: int | None) -> None:
        begun.update(set(threading.enumerate()) - before)
        if (stage, count) == ("training", 7):
            fill(disk, 0)

    with pytest.raises(UserError, match=r"(event file|metrics).*not written: .* `tidemask resume"):
        train(run, RunCallbacks(on_progress=on_progress))
    assert begun == set()
    assert "Traceback" not in capfd.readouterr().err
    _assert_whole(run)


def test_full_disk_before_the_start_leaves_nothing(corpus: Path, disk: Path) -> None:
    fill(disk, 0)
    with pytest.raises(UserError, match=r"file not written: .*environment.json"):
        started(corpus, disk / "run", "bert")
    assert [path.name for path in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize("leave", [0, 8192, 40_000])
def test_full_disk_of_a_preparation_names_the_corpus_and_leaves_what_can_be_gone_on_with(
    leave: int, tmp_path: Path, disk: Path
) -> None:
    """Nothing where nothing is finished; once there is room, the same command ends it."""
    (tmp_path / "text.txt").write_text(text(30), encoding="utf-8")
    fill(disk, leave)
    with pytest.raises(
        UserError, match=rf"not written: {disk}/corpus: No space left on device\. Make room, t"
    ):
        prepare(tmp_path / "text.txt", out=disk / "corpus", vocab_size=200, workers=1)
    left = {path.name for path in disk.iterdir()}
    assert left == {"filler"} if leave == 0 else left <= {"filler", ".corpus.partial"}
    (disk / "filler").unlink()
    made = prepare(tmp_path / "text.txt", out=disk / "corpus", vocab_size=200, workers=1)
    assert [path.name for path in disk.iterdir()] == ["corpus"]
    other = prepare(tmp_path / "text.txt", out=tmp_path / "corpus", vocab_size=200, workers=1)
    assert made.manifest.fingerprint == other.manifest.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("leave", [0, pytest.param(40_000, marks=pytest.mark.slow)])
def test_full_disk_of_a_report_names_it_and_leaves_nothing(
    leave: int, four_runs: list[Path], disk: Path
) -> None:
    fill(disk, leave)
    with pytest.raises(UserError, match=rf"not written: {disk}/report: No space left on device\. "):
        compare(four_runs, out=disk / "report")
    assert [path.name for path in disk.iterdir()] == ["filler"]


def _limited(
    arguments: list[str], size: int, *, processes: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run the command with a limit on the size of the files it writes, in bytes."""
    code = (
        "import os, resource, sys; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
        "os.execv(sys.executable, sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *command(arguments, processes=processes, warm=True)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("message", ["checkpoint not saved", "metrics not written"])
def test_full_disk_by_limit_is_one_line(
    message: str, unbroken: RunDirectory, tmp_path: Path
) -> None:
    """Resumed after step 6: the next checkpoint, or one of the next lines, passes the limit."""
    broken = stopped_at(unbroken, 6, tmp_path / "broken")
    size = unbroken.metrics.stat().st_size
    limit = 20 * size if message == "checkpoint not saved" else 7 * size // 10
    done = _limited(["resume", str(broken.root)], limit)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith(f"tidemask: {message}")
    assert "Traceback" not in done.stderr
    assert _steps(broken) == [6]
    _assert_whole(broken)
    _assert_continues_as(broken, unbroken)


@pytest.mark.slow
def test_full_disk_at_the_first_checkpoint(corpus: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    done = _limited(["pretrain", str(corpus), f"--out={run.root}", *TINY], 1_000_000)
    assert done.returncode == 2, done.stderr
    assert "(`ulimit -f`), then continue with `tidemask resume" in done.stderr
    assert done.stderr.endswith("`, which begins with the first step.\n")
    assert "Traceback" not in done.stderr
    _assert_whole(run)


def _append_without_end(path: Path) -> None:
    for step in itertools.count():
        append_metrics(path, {"step": step, "loss": 1 / 3})


def test_full_disk_leaves_a_line_of_metrics_whole(disk: Path) -> None:
    path = disk / "metrics.jsonl"
    filler = fill(disk, 8192)
    with pytest.raises(UserError, match="metrics not written"):
        _append_without_end(path)
    steps = [record["step"] for record in read_metrics(path)]
    assert steps == list(range(len(steps)))
    assert path.read_text().endswith("}\n")
    filler.unlink()
    append_metrics(path, {"step": len(steps), "loss": 1 / 3})
    assert len(read_metrics(path)) == len(steps) + 1


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["none", "fsdp2"])
def test_full_disk_of_several_processes_leaves_none_of_them_waiting(
    sharding: str, corpus: Path, tmp_path: Path
) -> None:
    """Only the first writes weights, and fails; the others would wait for it in the next gather."""
    run = RunDirectory(tmp_path / "run")
    settings = [*TINY, "training.save_steps=2", f"training.sharding={sharding}"]
    done = _limited(
        ["pretrain", str(corpus), "--out", str(run.root), *settings], 1_000_000, processes=2
    )
    assert done.returncode != 0
    assert done.stderr.count("checkpoint not saved") >= 1, done.stderr
    assert run.checkpoints() == []
    assert not list(run.root.glob("**/*.tmp"))
