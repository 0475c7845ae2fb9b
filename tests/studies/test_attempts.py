"""Attempts at a run: written by the process that works on it, readable by others meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from child_processes import ended, wait_until
from tidemask.errors import UserError
from tidemask.studies.attempts import RunAttempt, read_attempts
from tidemask.studies.heartbeat import living

WORK = (
    "import sys, time; from pathlib import Path\n"
    "from tidemask.studies.attempts import RunAttempt\n"
    "RunAttempt(Path(sys.argv[1]), jobs=2, is_new=True)\n"
    "time.sleep(600)"
)


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
