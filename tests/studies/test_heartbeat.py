"""Runs of other machines, and of file systems without locks: what their files say of them."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cases import all_cases
from tidemask.files.locks import NoLocksError
from tidemask.runs.config import CorpusReference, RunConfig, to_yaml
from tidemask.studies import heartbeat
from tidemask.studies.definition import Arm, StudyDefinition
from tidemask.studies.directory import StudyDirectory
from tidemask.studies.heartbeat import living
from tidemask.studies.planning import PlannedRun, arm_recipes, planned_runs

HERE, ELSEWHERE = socket.gethostname(), "elsewhere"
BEAT, SILENT = 0.3, 2.0
"""In place of seconds and a minute."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_BEAT_SECONDS", BEAT)
    monkeypatch.setattr(heartbeat, "_SILENT_SECONDS", SILENT)
    monkeypatch.setattr(heartbeat, "_LOOK_SECONDS", 0.01)


def touched(path: Path, ago: float) -> Path:
    """A file that was touched by a clock which says that it was so many seconds ago."""
    path.touch()
    os.utime(path, (time.time() - ago,) * 2)
    return path


@contextmanager
def beaten(path: Path, ago: float) -> Iterator[None]:
    """A process of another machine, whose clock differs by so many seconds, touches the file."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT / 4):
            touched(path, ago)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@all_cases("ago", [0.0, SILENT / 2, -BEAT / 2])
def test_a_file_that_was_touched_just_now_is_worked_on(tmp_path: Path, ago: float) -> None:
    path = touched(tmp_path / f"{ago}.jsonl", ago)
    assert living({path: ELSEWHERE}) == {path}
    assert living({path: HERE}) == set()  # whose lock would be seen


@pytest.mark.slow
@all_cases("ago", [600.0, -600.0])
def test_a_clock_that_differs_is_no_death_and_no_life(tmp_path: Path, ago: float) -> None:
    path = touched(tmp_path / f"{ago}.jsonl", ago)
    still = touched(tmp_path / f"{ago}-still.jsonl", ago)
    with beaten(path, ago):
        for _ in range(3):
            assert living({path: ELSEWHERE, still: ELSEWHERE}) == {path}
    begun = time.monotonic()
    while living({path: ELSEWHERE}):
        time.sleep(0.01)
    assert time.monotonic() - begun < 5 * SILENT


@pytest.mark.slow
def test_what_stands_still_is_waited_for_once_and_all_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = {touched(tmp_path / f"{n}.jsonl", 600.0): ELSEWHERE for n in range(20)}
    start = time.monotonic()
    assert living(begun) == set()
    assert time.monotonic() - start < 20 * 3 * BEAT / 2
    monkeypatch.setattr("tidemask.studies.heartbeat.time.sleep", None)
    assert living(begun) == set()
    old = touched(tmp_path / "old.jsonl", 10 * 86_400.0)
    assert living({old: ELSEWHERE, tmp_path / "none.jsonl": ELSEWHERE}) == set()


def test_a_lock_that_is_seen_says_more_than_a_time(tmp_path: Path) -> None:
    path = touched(tmp_path / "a.jsonl", 600.0)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert living({path: ELSEWHERE}) == living({path: HERE}) == {path}
    assert living({path: HERE}) == set()


@pytest.mark.slow
def test_without_locks_the_heartbeat_counts_on_this_machine_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int, *, shared: bool) -> bool:
        raise NoLocksError(95, "Operation not supported")

    monkeypatch.setattr(heartbeat, "try_lock", refuse)
    fresh, still = touched(tmp_path / "a.jsonl", 0.0), touched(tmp_path / "b.jsonl", 600.0)
    assert living({fresh: HERE, still: HERE}) == {fresh}
    with fresh.open("a") as file, heartbeat.beating(lambda: os.utime(file.fileno())):
        time.sleep(1.5 * SILENT)
        assert living({fresh: HERE}) == {fresh}


@pytest.mark.slow
def test_runs_of_another_machine_are_told_apart(tmp_path: Path) -> None:
    study = StudyDefinition(
        corpus="/corpus",
        arms={"constant": Arm(recipe="bert"), "decay": Arm(recipe="mrd-cosine")},
        baseline="constant",
        seeds=(0, 1, 2),
        settings=("training.max_steps=10",),
    )
    lengths = {("", arm): 10 for arm in study.arms}
    runs = planned_runs(study, arm_recipes(study), lengths)
    place = StudyDirectory(tmp_path)
    begin = {"event": "begin", "at": 1.0, "host": ELSEWHERE, "process": 7}
    end = {"event": "end", "at": 2.0, "outcome": "finished"}
    told = {
        "waiting": ([], None), "running": ([begin], 0.0), "dead": ([begin], 600.0),
        "interrupted": ([begin, {**end, "outcome": "interrupted"}], 0.0),
        "failed": ([begin, {**end, "outcome": "failed", "message": "no room"}], 0.0),
        "finished": ([begin, end], 600.0),
    }  # fmt: skip
    for planned, (lines, ago) in zip(runs, told.values(), strict=True):
        _write(place, planned, lines, 10 if end in lines else 5)
        if ago is not None:
            touched(place.attempts(planned), ago)
    assert [one.state.value for one in place.states(runs, ())] == list(told)
    assert place.state_of(runs[4], ()).message == "no room"
    for number in (2, 3, 5):
        config = place.run(runs[number]).config
        config.write_text(config.read_text()[:-100])
        state = place.state_of(runs[number], ())
        assert (state.state.value, state.needs_repair) == ("failed", True)
        assert str(config) in state.message
        assert f"or delete {config.parent} to train the run again." in state.message
    assert not place.state_of(runs[4], ()).needs_repair


def _write(place: StudyDirectory, planned: PlannedRun, lines: list[object], step: int) -> None:
    """What another machine has written of a run."""
    if not lines:
        return
    run, attempts = place.run(planned), place.attempts(planned)
    run.root.mkdir(parents=True)
    attempts.parent.mkdir(parents=True, exist_ok=True)
    corpus = CorpusReference(path="/corpus", fingerprint="0" * 64)
    sections = {
        name: getattr(planned.recipe, name)
        for name in ("masking", "model", "training", "evaluation")
    }
    run.config.write_text(to_yaml(RunConfig(recipe=planned.arm, corpus=corpus, **sections)))
    run.metrics.write_text(json.dumps({"step": step}) + "\n")
    attempts.write_text("".join(json.dumps(line) + "\n" for line in lines))
