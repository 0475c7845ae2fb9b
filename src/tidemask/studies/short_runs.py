"""Runs of a few steps that show what a step costs here; they are deleted again."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from tidemask.errors import UserError
from tidemask.run_record import RunDirectory, read_metrics
from tidemask.runs.config import Recipe, load_recipe
from tidemask.studies.definition import StudyEvaluation
from tidemask.studies.launching import run_worker
from tidemask.studies.lengths import length_of
from tidemask.studies.worker import RunJob

MEASURED_STEPS = 8
"""Steps of a short run, over a whole schedule that is compressed."""
_FIRST_STEPS = 2
"""Not counted: they wait for compilers, caches and loaders."""


def _never() -> bool:
    return False


@contextmanager
def short_run(
    corpus: str,
    recipe: Recipe,
    settings: Sequence[str],
    *,
    threads: int,
    processes: int = 1,
    is_stopping: Callable[[], bool] = _never,
) -> Iterator[tuple[RunDirectory, float]]:
    """Train a few steps in a process of its own; the run is deleted after the block.

    Args:
        corpus: the prepared corpus.
        recipe: what is trained.
        settings: over those of the recipe; its length and what it logs are those of a short run.
        threads: of the arithmetic on a CPU.
        processes: of the run.
        is_stopping: whether it is to be given up; it may then be unfinished, or have failed.

    Returns:
        The run, and the seconds from the start of its process to the end.

    Raises:
        UserError: it cannot be trained.
    """
    short = load_recipe(
        recipe,
        [
            *settings,
            *length_of(MEASURED_STEPS),
            "training.lr_warmup_steps=auto",
            "training.lr_decay_steps=auto",
            "training.logging_steps=1",
            "training.report_to=none",
        ],
    )
    with tempfile.TemporaryDirectory(prefix="tidemask-") as directory:
        place = Path(directory)
        job = RunJob(
            corpus=corpus,
            recipe=short,
            out=str(place / "run"),
            attempts=str(place / "attempts.jsonl"),
            evaluation=StudyEvaluation(checkpoints="all"),  # so that the checkpoint stays
            processes=processes,
        )
        begun = time.monotonic()
        status = run_worker(
            job, place / "log", {"OMP_NUM_THREADS": str(threads)}, is_stopping=is_stopping
        )
        if status != 0 and not is_stopping():
            said = (place / "log").read_text(encoding="utf-8", errors="replace").strip()
            raise UserError(
                f"step of recipe {recipe.name} not measured: {(said.splitlines() or [''])[-1]}"
            )
        yield RunDirectory(place / "run"), time.monotonic() - begun


def seconds_of_step(run: RunDirectory) -> float:
    """Seconds of one step of a short run, the median of several."""
    times = [float(line["wall_seconds"]) for line in read_metrics(run.metrics)]
    steps = [after - before for before, after in pairwise(times)]
    return statistics.median(steps[_FIRST_STEPS:])
