"""Attempts at a run: written by the process that works on it, readable by others meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from child_processes import ended, wait_until
from tidemask.errors import UserError
from tidemask.files.lines import drop_unfinished_line
from tidemask.studies.attempts import RunAttempt, read_attempts
from tidemask.studies.heartbeat import living

WORK = (
    "import sys, time; from pathlib import Path\n"
    "from tidemask.studies.attempts import RunAttempt\n"
    "RunAttempt(Path(sys.argv[1]), jobs=2, is_new=True)\n"
    "time.sleep(600)"
)


@pytest.mark.slow
def test_a_process_that_was_killed_leaves_a_beginning_without_end(tmp_path: Path) -> None:
    path = tmp_path / "attempts" / "seed-0.jsonl"
    assert read_attempts(path) == []
    worker = subprocess.Popen([sys.executable, "-c", WORK, str(path)], stderr=subprocess.PIPE)
    with ended(worker):
        wait_until(lambda: bool(read_attempts(path)), worker)
        assert living({path: read_attempts(path)[-1].host}) == {path}
        with pytest.raises(UserError, match="another process works on this run"):
            RunAttempt(path, jobs=1, is_new=False)
    (begin,) = read_attempts(path)
    assert living({path: begin.host}) == set()
    assert (begin.event, begin.process, begin.jobs) == ("begin", worker.pid, 2)


def test_an_attempt_after_a_torn_line_keeps_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "seed-0.jsonl"
    RunAttempt(path, jobs=1, is_new=False).end("failed", message="no room")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "beg')
    assert [one.event for one in read_attempts(path)] == ["begin", "end"]
    RunAttempt(path, jobs=1, is_new=False).end("finished", measured=("abc",))
    assert path.read_bytes().startswith(whole)
    assert [one.outcome for one in read_attempts(path)] == ["", "failed", "", "finished"]
    path.write_text('{"event": "begin", "at": "now"}\n')
    with pytest.raises(UserError, match=r'seed-0.jsonl, line 1: at="now"'):
        read_attempts(path)


def test_attempts_in_a_pipe_or_in_another_encoding_are_one_line(tmp_path: Path) -> None:
    """A pipe would be read for ever."""
    pipe, latin, lost = tmp_path / "pipe", tmp_path / "latin", tmp_path / "lost"
    os.mkfifo(pipe)
    latin.write_bytes(b'{"event": "begin", "host": "caf\xe9"}\n')
    lost.symlink_to(tmp_path / "nowhere")
    for path, why in (
        (pipe, "is not a regular file"),
        (latin, "line 1, column 32: the byte 0xE9 is not UTF-8"),
        (lost, "no such file"),
    ):
        with pytest.raises(UserError, match=why):
            read_attempts(path)
    with pytest.raises(UserError, match="is not a regular file"):
        drop_unfinished_line(pipe)


@pytest.mark.parametrize(
    ("given", "threads"), [("4,2", 4), ("3", 3), ("", 0), (" 2 , 1", 2), ("auto", 0)]
)
def test_an_attempt_knows_the_threads_of_the_outermost_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, threads: int
) -> None:
    """OpenMP takes a list, a number for each level of nesting."""
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    path = tmp_path / "seed-0.jsonl"
    RunAttempt(path, jobs=1, is_new=True).end("finished")
    assert read_attempts(path)[0].threads == threads
