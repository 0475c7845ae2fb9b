"""`tidemask` whose training waits at a step until it may go on, for what happens there meanwhile.

    python held_run.py STEP PLACE ARGUMENT...

With STEP steps done each rank writes its process id to PLACE/RANK, and waits for PLACE/go. If it
notices a signal meanwhile it writes PLACE/RANK.noticed. No test has to be quick then, and no run
has to be long.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from child_processes import wait_until

_GO = "go"


@dataclass(frozen=True)
class HeldRun:
    """A run that is held at a step, seen from outside.

    Attributes:
        place: directory of its marks; made here.
        step: where it waits.
    """

    place: Path
    step: int

    def program(self, *arguments: str) -> list[str]:
        """The script and its arguments, for an interpreter or a warm process."""
        self.place.mkdir(exist_ok=True)
        return [str(Path(__file__)), str(self.step), str(self.place), *arguments]

    def wait(self, process: subprocess.Popen[Any], ranks: int = 1) -> list[int]:
        """Wait until all ranks are there; their process ids, each the leader of its group."""
        marks = [self.place / str(rank) for rank in range(ranks)]
        wait_until(lambda: all(mark.is_file() for mark in marks), process)
        return [int(mark.read_text()) for mark in marks]

    def wait_for_signal(self, process: subprocess.Popen[Any], *ranks: int) -> None:
        """Wait until these ranks have noticed that they are asked to stop."""
        marks = [self.place / f"{rank}.noticed" for rank in ranks]
        wait_until(lambda: all(mark.exists() for mark in marks), process)

    def go_on(self) -> None:
        """Let all ranks go on."""
        (self.place / _GO).touch()


def _hold(step: int, place: Path) -> None:
    from tidemask.training.trainer import MaskedLMTrainer

    real = MaskedLMTrainer.training_step

    def training_step(trainer: Any, *arguments: Any, **options: Any) -> Any:
        if trainer.state.global_step == step and not (place / _GO).exists():
            mark = place / os.environ.get("RANK", "0")
            mark.with_suffix(".new").write_text(str(os.getpid()))
            mark.with_suffix(".new").rename(mark)
            while not (place / _GO).exists():
                if trainer.stopping._stop_request.received is not None:
                    mark.with_suffix(".noticed").touch()
                time.sleep(0.005)
        return real(trainer, *arguments, **options)

    MaskedLMTrainer.training_step = training_step  # type: ignore[method-assign]


if __name__ == "__main__":
    _, held_at, directory, *sys.argv[1:] = sys.argv
    sys.argv[0] = "tidemask"
    _hold(int(held_at), Path(directory))
    runpy.run_module("tidemask", run_name="__main__", alter_sys=True)
