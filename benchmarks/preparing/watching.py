"""A command with what it takes while it runs: memory and processor time of all its processes."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import ROOT


@dataclass(frozen=True)
class Watched:
    """What a command printed and took.

    Attributes:
        printed: its standard output.
        seconds: from its start to its end.
        cpu_seconds: of the processor, of it and all that it started, as last looked at.
        most_bytes: the largest sum of proportional set sizes: what processes share counts once.
    """

    printed: str
    seconds: float
    cpu_seconds: float
    most_bytes: int


def watched(command: Sequence[str], *, look_seconds: float) -> Watched:
    """Run a command to its end, and look at its processes now and then.

    Args:
        command: program and arguments.
        look_seconds: between two looks; each takes some milliseconds of a processor itself.

    Raises:
        RuntimeError: it ended with another status than 0.
    """
    with tempfile.TemporaryFile("w+") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, cwd=ROOT)
        most = 0
        cpu_seconds: dict[tuple[int, float], float] = {}
        while process.poll() is None:
            memory = 0
            for one in _processes(process.pid):
                taken = _taken(one)
                if taken is not None:
                    memory += taken[0]
                    cpu_seconds[one.pid, one.create_time()] = taken[1]
            most = max(most, memory)
            time.sleep(look_seconds)
        seconds = time.perf_counter() - begun
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: status {process.returncode}")
        output.seek(0)
        return Watched(output.read(), seconds, sum(cpu_seconds.values()), most)


def _processes(root: int) -> list[Any]:
    """A process and all that it has started."""
    import psutil

    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _taken(process: Any) -> tuple[int, float] | None:
    """Proportional set size in bytes and processor seconds; None of a process that has ended."""
    import psutil

    try:
        times = process.cpu_times()
        return int(process.memory_full_info().pss), times.user + times.system
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
