"""A worker process for one run: begun, asked to stop, waited for. Engines share it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from tidemask.files.paths import check_plain_file
from tidemask.studies.worker import RunJob

_POLL_SECONDS = 0.1


def worker_command() -> list[str]:
    """The program that does a job."""
    return [sys.executable, "-m", "tidemask.studies.worker"]


def _safe_path() -> dict[str, str]:
    """What keeps `python -m` from taking modules of the present directory for those of libraries.

    The command `tidemask` does not look there: a module `random` of the user's beside the study
    would run in its workers alone. It stays so where tidemask itself was found in that directory.
    """
    is_found_there = Path(__file__).resolve().parents[2] == Path.cwd()
    return {} if is_found_there else {"PYTHONSAFEPATH": "1"}


def run_worker(
    job: RunJob, log: Path, environment: Mapping[str, str], is_stopping: Callable[[], bool]
) -> int:
    """Do a job in a process of its own, and return its exit status; negative for a signal.

    The process has a session of its own, so that Ctrl-C in the terminal does not reach it: it is
    asked to stop here, once. It also stops when this process is gone, by the end of its input.

    Args:
        job: what it does.
        log: where it prints.
        environment: variables over those of this process.
        is_stopping: whether it is to save its state and end.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    check_plain_file(log)
    with log.open("ab") as output:
        process = subprocess.Popen(
            worker_command(),
            env={**os.environ, **_safe_path(), **environment},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    assert process.stdin is not None, "its input is a pipe"
    try:
        process.stdin.write(TypeAdapter(RunJob).dump_json(job) + b"\n")
        process.stdin.flush()
        is_asked = False
        while process.poll() is None:
            if is_stopping() and not is_asked:
                process.send_signal(signal.SIGTERM)
                is_asked = True
            time.sleep(_POLL_SECONDS)
    except BrokenPipeError:
        pass  # it died at once; the status says how
    finally:
        with suppress(BrokenPipeError):  # what it did not read is flushed here
            process.stdin.close()  # if this is an error or a signal, it stops by that
        process.wait()
    return process.returncode
