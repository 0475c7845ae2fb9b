"""The attempts at a run of a study: when a process began to work on it, and how that ended.

One JSON object per line. The process holds a lock on the file and touches it while it lives, see
`heartbeat.py`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tidemask.errors import UserError
from tidemask.files.atomic import append_whole
from tidemask.files.lines import drop_unfinished_line
from tidemask.files.locks import NoLocksError, try_lock
from tidemask.reading import ANY_LENGTH, parse_json, read_text
from tidemask.studies.heartbeat import beating
from tidemask.system_errors import why_refused

Outcome = Literal["finished", "interrupted", "failed"]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A line: an attempt began, or it ended.

    Attributes:
        event: which of the two.
        at: seconds since 1970.
        host: name of the machine.
        process: its number there.
        threads: that its arithmetic may use on a CPU.
        jobs: runs that shared the machine at that time, this one included.
        is_new: whether there was nothing of the run yet, so that earlier attempts are of another.
        outcome: how it ended; empty where it began.
        message: why, in one line, where it failed.
        is_refused: whether it failed as a disk or a network drive refused something, such as room,
            which says nothing of the run.
        measured: marks of what was measured of the run, where it finished.
    """

    event: Literal["begin", "end"]
    at: float
    host: str = ""
    process: int = 0
    threads: int = 0
    jobs: int = 1
    is_new: bool = False
    outcome: Outcome | Literal[""] = ""
    message: str = ""
    is_refused: bool = False
    measured: tuple[str, ...] = ()


def read_attempts(path: Path) -> list[Attempt]:
    """The lines of a file, none if it does not exist; a last line that is cut is left out.

    Raises:
        UserError: it cannot be read, or a line is damaged.
    """
    if not os.path.lexists(path):
        return []
    try:
        text = read_text(path, ANY_LENGTH, "attempts cannot be read")
    except OSError as error:
        raise UserError(f"attempts cannot be read: {why_refused(error, path)}.") from error
    whole = text.rpartition("\n")[0]
    return [
        parse_json(line, Attempt, f"attempts: {path}, line {number}", advice="Delete the line.")
        for number, line in enumerate(whole.splitlines(), start=1)
    ]


def measured_marks(attempts: Sequence[Attempt]) -> set[str] | None:
    """Marks of what was measured of the run that is there now; `None` if it never finished."""
    finished: list[Attempt] | None = None
    for attempt in attempts:
        if attempt.is_new:
            finished = None
        elif attempt.outcome == "finished":
            finished = [*(finished or ()), attempt]
    return None if finished is None else {mark for one in finished for mark in one.measured}


class RunAttempt:
    """One attempt, by this process.

    Args:
        path: the file; its directory is made.
        jobs: runs that share the machine.
        is_new: whether there is nothing of the run yet.

    Raises:
        UserError: another process works on the run, or the file cannot be written.
    """

    def __init__(self, path: Path, *, jobs: int, is_new: bool) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise UserError(f"run not begun: {why_refused(error, path)}.") from error
        try:
            is_ours = _lock_soon(self._descriptor)
        except NoLocksError:
            is_ours = True  # the run itself has a lock, and says so
        if not is_ours:
            os.close(self._descriptor)
            raise UserError(f"another process works on this run: {path} is locked. Wait for it.")
        drop_unfinished_line(path)
        host, threads = socket.gethostname(), _num_threads()
        self._write(
            Attempt(
                event="begin",
                at=time.time(),
                host=host,
                process=os.getpid(),
                threads=threads,
                jobs=jobs,
                is_new=is_new,
            )
        )

    def end(
        self,
        outcome: Outcome,
        *,
        message: str = "",
        is_refused: bool = False,
        measured: tuple[str, ...] = (),
    ) -> None:
        """Write how it ended, as an `Attempt` has it, and let others begin one.

        Raises:
            UserError: the file cannot be written.
        """
        self._write(
            Attempt(
                event="end",
                at=time.time(),
                outcome=outcome,
                message=message,
                is_refused=is_refused,
                measured=measured,
            )
        )
        os.close(self._descriptor)

    def beating(self) -> AbstractContextManager[None]:
        """Show that this process lives while the block lasts."""
        return beating(lambda: os.utime(self._descriptor))

    def _write(self, attempt: Attempt) -> None:
        line = json.dumps(dataclasses.asdict(attempt)) + "\n"
        try:
            append_whole(self._path, line.encode())
        except OSError as error:
            os.close(self._descriptor)
            raise UserError(f"attempt not recorded: {why_refused(error, self._path)}.") from error


def _num_threads() -> int:
    """What OMP_NUM_THREADS says of the outermost level, `4,2` too; 0 where it says nothing."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() else 0


def _lock_soon(descriptor: int) -> bool:
    """Take a lock that a command which looks at it may hold for a moment."""
    for _ in range(20):
        if try_lock(descriptor):
            return True
        time.sleep(0.05)
    return False
