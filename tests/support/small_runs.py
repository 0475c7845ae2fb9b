"""Tiny runs for the tests of training, in this process or in others."""

from __future__ import annotations

import atexit
import functools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from child_processes import HUNG_SECONDS, ended
from held_run import HeldRun
from tidemask.run_record import TIME_METRICS, RunDirectory
from tidemask.runs.callbacks import RunCallbacks
from tidemask.runs.config import load_recipe, read_run_config
from tidemask.runs.creation import new_run
from tidemask.runs.in_run_evaluation import InRunEvaluation
from tidemask.runs.run_trainer import build_trainer
from tidemask.runs.started_on import inputs_of
from tidemask.runs.train import train
from tidemask.training.checkpoint_checks import state_or_problem
from tidemask.training.checkpoint_files import ResumePoint
from tidemask.training.signals import StopRequest
from tidemask.training.trainer import MaskedLMTrainer

TINY = (
    "model.size=bert-tiny",
    "model.dropout=0.1",
    "training.precision=float32",
    "training.max_steps=8",
    "training.micro_batch_size=8",
    "training.logging_steps=3",
    "training.save_steps=5",
    "training.learning_rate=1e-3",
    "training.report_to=none",
    "evaluation.sequences=8",
    "evaluation.every_steps=4",
    "evaluation.final_draws=1",
    "evaluation.final_sequences=8",
)
"""A run of a second; intervals of saving, logging and evaluation do not divide each other."""

FOUR_STEPS_KEPT = (
    "training.max_steps=4", "training.save_steps=1", "training.logging_steps=1",
    "training.keep_checkpoints=0", "evaluation.every_steps=4",
)  # fmt: skip
"""Four steps with a line and a checkpoint after each, all kept."""

TIMES = TIME_METRICS

_SERVER = "TIDEMASK_WARM_PROCESS"


def started(corpus: Path, out: Path, recipe: str, *settings: str) -> RunDirectory:
    """A run that has not trained yet."""
    return new_run(load_recipe(recipe, [*TINY, *settings]), corpus, out)


def trained(corpus: Path, out: Path, recipe: str, *settings: str) -> RunDirectory:
    """A finished run."""
    run = started(corpus, out, recipe, *settings)
    train(run)
    return run


def trainer_of(run: RunDirectory) -> MaskedLMTrainer:
    """The trainer of a run that has not started, as `train` builds it."""
    config = read_run_config(run.config)
    data = inputs_of(config)
    evaluation = InRunEvaluation(
        run=run,
        held_out=data.held_out_evaluator(config.evaluation),
        callbacks=RunCallbacks(),
        stop_request=StopRequest(),
    )
    return build_trainer(run, config, data, evaluation, ResumePoint(0, None))


def records(run: RunDirectory) -> list[dict[str, Any]]:
    """Lines of metrics without the times; null is NaN."""
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return [
        {k: math.nan if v is None else v for k, v in line.items() if k not in TIMES}
        for line in lines
    ]


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    """Tensors of the final model."""
    return load_file(run.model / "model.safetensors")


def same_weights(a: RunDirectory, b: RunDirectory) -> bool:
    """Whether two final models agree to the last bit."""
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def problem_with(checkpoint: Path, step: int) -> str | None:
    """What is wrong with a checkpoint, as a predicate; `None` if nothing is."""
    found = state_or_problem(checkpoint, step)
    return found if isinstance(found, str) else None


def stopped_at(run: RunDirectory, step: int, out: Path) -> RunDirectory:
    """What would be there if the run had been killed while it worked on the step after `step`."""
    shutil.copytree(run.root, out)
    stopped = RunDirectory(out)
    shutil.rmtree(stopped.model)
    shutil.rmtree(stopped.evaluation)
    for done, path in stopped.checkpoints():
        if done > step:
            shutil.rmtree(path)
    return stopped


def command(arguments: Sequence[str], *, processes: int = 1, warm: bool = False) -> list[str]:
    """`tidemask ...` as a command of this interpreter, under torchrun if there are several.

    Args:
        arguments: of `tidemask`.
        processes: how many.
        warm: fork them from a process that has imported a lot, see `warm_process.py`, and start
            several as `launch_ranks.py` does.
    """
    if warm:
        return in_ranks(warm_command("tidemask", *arguments), processes)
    start = [sys.executable] if processes == 1 else torchrun(processes)
    return [*start, "-m", "tidemask", *arguments]


def torchrun(processes: int) -> list[str]:
    """The launcher itself, for processes on this machine; what it runs follows."""
    launcher = ["--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, "-m", "torch.distributed.run", *launcher]


def in_ranks(command: Sequence[str], processes: int) -> list[str]:
    """A command as so many ranks, by a launcher that imports nothing; one needs none."""
    if processes == 1:
        return [*command]
    launcher = Path(__file__).with_name("launch_ranks.py")
    return [sys.executable, "-S", "-E", str(launcher), str(processes), *command]


@functools.cache
def _warm_process() -> Path:
    """The socket of the server from which warm commands are forked; it ends with this process.

    What this process starts finds it in the environment, and starts none.
    """
    if found := os.environ.get(_SERVER):
        return Path(found)
    directory = tempfile.TemporaryDirectory(prefix="tidemask-")
    path = Path(directory.name) / "warm"
    errors = Path(directory.name) / "errors.txt"
    with errors.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm_process.py")), "serve", str(path)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=file,
        )

    def end() -> None:
        assert server.stdin is not None
        server.stdin.close()
        server.wait()
        directory.cleanup()

    atexit.register(end)
    while not path.exists() and server.poll() is None:
        time.sleep(0.01)
    assert path.exists(), errors.read_text()
    os.environ[_SERVER] = str(path)
    return path


def warm_command(program: str | Path, *arguments: str) -> list[str]:
    """A command that is `tidemask` or a script, forked from a process that has imported a lot."""
    if sys.platform != "linux":
        return [sys.executable, *(("-m", "tidemask") if program == "tidemask" else (str(program),)),
                *arguments]  # fmt: skip
    client = Path(__file__).with_name("warm_process.py")
    return [
        sys.executable, "-S", "-E", str(client), str(_warm_process()), str(program), *arguments
    ]  # fmt: skip


def killed_at(step: int, place: Path, arguments: Sequence[str]) -> None:
    """Begin a training by its command, and kill it by SIGKILL with so many steps done.

    Args:
        step: where it is killed.
        place: directory for marks of the two processes.
        arguments: of `tidemask`.
    """
    held = HeldRun(place, step)
    process = subprocess.Popen(
        warm_command(*held.program(*arguments)),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with ended(process):
        (training,) = held.wait(process)
        os.kill(training, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def run_command(
    arguments: Sequence[str], *, processes: int = 1, warm: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run it on one thread per process and wait.

    Args:
        arguments: of `tidemask`.
        processes: how many ranks.
        warm: see `command`.
    """
    return subprocess.run(
        command(arguments, processes=processes, warm=warm),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG_SECONDS,
        check=False,
    )
