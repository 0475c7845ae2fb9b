"""`tidemask demo`: the whole job on embedded text, four policies side by side.

Runs are processes of `tidemask pretrain`, two at a time on one thread each: at this size a second
thread speeds up a run less than a second run does. What exists already is kept, so an interrupted
demonstration continues where it stopped. A hidden file tells its directory from a user's own, which
may have the same names in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, NamedTuple

import typer

from tidemask.children import dependent_command
from tidemask.cli.comparison_tables import show_comparison
from tidemask.cli.terminal import progress_display
from tidemask.errors import UserError
from tidemask.files.atomic import check_is_directory
from tidemask.files.paths import given_path
from tidemask.processes import available_cores
from tidemask.run_record import RunDirectory, read_metrics

if TYPE_CHECKING:
    from tidemask.progress.display import ProgressDisplay
    from tidemask.report.compare import Comparison

RECIPES: tuple[str, ...] = ("bert", "constant-matched", "mrd-cosine", "ptw-mrd")
"""Policies that the demonstration compares."""

OWN_SETTINGS: dict[str, list[str]] = {"ptw-mrd": ["masking.content.sharpness=1"]}
"""Settings of one policy over its recipe. In a run of minutes the recipe's sharpness of 2 all but
stops the masking of function words before they are learned; the report shows the setting."""

VOCAB_SIZE = 4096
SEQUENCE_LENGTH = 64

MARKER = ".tidemask-demo"
"""The file that says that a demonstration made the directory."""

_PARTS = {"corpus", "runs", "report"}
_PARTS_OF_REPORT = {"index.html", "figures", "tables"}

_POLL_SECONDS = 0.5


class _Child(NamedTuple):
    """A process of a run, and the file that takes its messages: a pipe would fill and stop it."""

    process: subprocess.Popen[bytes]
    messages: IO[bytes]


def demo_command(
    out: Annotated[
        str, typer.Option("--out", metavar="PATH", help="Directory for corpus, runs and report.")
    ] = "tidemask-demo",
    steps: Annotated[
        int, typer.Option("--steps", min=20, max=1_000_000, help="Optimizer steps of each run.")
    ] = 1350,
) -> None:
    """Prepare text that every installation has, pre-train four policies on it, and compare them.

    A few minutes on a laptop's CPU. Finished parts are kept: run it again to continue.
    """
    place = given_path(out, "--out")
    with progress_display() as display:
        comparison = run_demo(place, steps=steps, display=display)
    show_comparison(comparison)


def run_demo(out: Path, *, steps: int, display: ProgressDisplay) -> Comparison:
    """Prepare the embedded text, pre-train under each policy, compare.

    Args:
        out: directory for `corpus/`, `runs/` and `report/`.
        steps: optimizer steps of each run.
        display: shows progress.

    Raises:
        UserError: `out` holds something else, or runs of another length; a run failed.
    """
    from tidemask.corpus.demo_text.documents import demo_documents
    from tidemask.corpus.prepare import prepare_corpus
    from tidemask.corpus.settings import PrepareSettings
    from tidemask.studies.comparison import compare

    _check_place(out, steps)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).touch()
    corpus = out / "corpus"
    if not corpus.exists():
        documents = list(demo_documents(display.on_progress))
        prepare_corpus(
            lambda: iter(documents),
            out=corpus,
            settings=PrepareSettings(vocab_size=VOCAB_SIZE, sequence_length=SEQUENCE_LENGTH),
            on_progress=display.on_progress,
        )
    runs = [RunDirectory(out / "runs" / name) for name in RECIPES]
    (out / "runs").mkdir(exist_ok=True)
    waiting = [run for run in runs if not run.is_finished]
    commands = {run: _command(run, corpus, steps) for run in waiting}
    _run_in_parallel(commands, steps=steps, display=display)
    report = out / "report"
    if report.exists():
        shutil.rmtree(report)
    return compare([run.root for run in runs], out=report)


def training_settings(steps: int) -> list[str]:
    """Settings of every run of the demonstration, as the command line takes them."""
    return [
        "model.size=modernbert-tiny-local",
        "model.dropout=0.0",
        f"training.max_steps={steps}",
        "training.micro_batch_size=24",
        "training.learning_rate=4.5e-3",
        f"training.logging_steps={max(1, steps // 40)}",
        f"training.save_steps={max(1, steps // 4)}",
        "evaluation.final_draws=2",
    ]


def _check_place(out: Path, steps: int) -> None:
    from tidemask.runs.config import read_run_config

    check_is_directory(out)
    _check_only(out, _PARTS if (out / MARKER).is_file() else set())
    if (out / "report").is_symlink():
        raise UserError(f"report is a link: {out / 'report'}. Remove it; it is written once more.")
    check_is_directory(out / "report")
    _check_only(out / "report", _PARTS_OF_REPORT)
    for name in RECIPES:
        run = RunDirectory(out / "runs" / name)
        if run.config.is_file():
            planned = read_run_config(run.config).training.max_steps
            if planned != steps:
                raise UserError(
                    f"another demonstration: {run.root} has {planned} steps, --steps={steps}. "
                    "Name another directory with --out, or delete this one."
                )


def _check_only(directory: Path, known: set[str]) -> None:
    """Refuse a directory that has more in it than a demonstration makes, which removes its own."""
    others = sorted(path.name for path in directory.glob("[!.]*") if path.name not in known)
    if others:
        raise UserError(
            f"output exists: {directory} holds {others[0]}, which no demonstration of this version "
            "made. Expected a new directory, or one that `tidemask demo` began, with "
            f"{MARKER} in it. Name another with --out; or delete this one if it is of an earlier "
            "version, which made no such file."
        )


def _command(run: RunDirectory, corpus: Path, steps: int) -> list[str]:
    if run.config.is_file():
        return dependent_command("tidemask", "resume", str(run.root))
    recipe = run.root.name
    return dependent_command(
        "tidemask",
        "pretrain",
        str(corpus),
        f"--out={run.root}",
        f"--recipe={recipe}",
        *training_settings(steps),
        *OWN_SETTINGS.get(recipe, []),
    )


def _run_in_parallel(
    commands: dict[RunDirectory, list[str]], *, steps: int, display: ProgressDisplay
) -> None:
    """Run all commands, as many at once as there are cores; a failure stops the others."""
    waiting = list(commands.items())
    running: dict[RunDirectory, _Child] = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        while waiting or running:
            while waiting and len(running) < available_cores():
                run, command = waiting.pop(0)
                running[run] = _start(command, environment)
            time.sleep(_POLL_SECONDS)
            for run in list(running):
                _show(run, steps, display)
                if running[run].process.poll() is not None:
                    _check_ended(run, running.pop(run))
    finally:
        for child in running.values():
            child.process.kill()


def _start(command: Sequence[str], environment: dict[str, str]) -> _Child:
    messages = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the process has ended
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=messages,
    )
    return _Child(process, messages)


def _check_ended(run: RunDirectory, child: _Child) -> None:
    with child.messages as messages:
        messages.seek(0)
        lines = messages.read().decode(errors="replace").strip().splitlines()
    status = child.process.returncode
    if status != 0:
        last = lines[-1] if lines else "no message"
        raise UserError(
            f"run failed: {run.root.name} with status {status}: {last} "
            f"Continue it with `tidemask resume {run.root}` to see more."
        )


def _show(run: RunDirectory, steps: int, display: ProgressDisplay) -> None:
    from tidemask.runs.displayed_metrics import display_records

    if run.metrics.is_file() and (records := read_metrics(run.metrics)):
        on_record = display_records(display, run.root.name)
        for record in records:
            on_record(record)
        display.on_progress(run.root.name, int(records[-1]["step"]), steps)
