"""A candidate of the training benchmark, seen from the process that compares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_WORKER = Path(__file__).resolve().parent / "worker.py"


class TrainingProcess:
    """A process that trains in its turns."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.seconds: list[float] = []
        self.peaks: list[float] = []
        self.last: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [sys.executable, str(_WORKER), json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": str(spec["threads"])},
            text=True,
        )

    def wait(self) -> list[float]:
        """Return the seconds of the steps of the last turn; the first comes after the first step.

        Raises:
            RuntimeError: the process ended without an answer.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("TURN "):
                self.last = json.loads(line.removeprefix("TURN "))
                return list(self.last["seconds"])
        raise RuntimeError(f"{self.spec['group']} ended: status {self._process.wait()}")

    def turn(self, steps: int) -> list[float]:
        """Make some steps; return the seconds of each."""
        self._send(f"go {steps}")
        return self.wait()

    def end(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._send("end")
        self._process.wait(timeout=60)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _send(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
