"""What the measurements within a run cost beside its training steps, in seconds of the processor.

    python benchmarks/training/in_run_evaluation.py CORPUS bert-tiny bert-mini

Each model is trained for a few steps with the default settings and measured twice, in this process.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from unittest import mock

import tidemask
from tidemask.progress.display import displayed
from tidemask.runs.config import load_recipe
from tidemask.tasks.held_out.evaluator import HeldOutEvaluator
from tidemask.training.settings import DEFAULT_STEPS

_STEPS = 12
_FIRST_STEPS = 2
"""Not counted: they wait for caches and loaders."""


def measure(corpus: Path, size: str) -> tuple[float, float]:
    """Seconds of the processor for one step (median) and for one measurement (mean of two).

    Args:
        corpus: a prepared corpus.
        size: a name of `MODEL_SIZES`.
    """
    evaluations: list[float] = []
    real = HeldOutEvaluator.during_training

    def timed(*arguments: object, **named: object) -> dict[str, float]:
        begun = time.process_time()
        found = real(*arguments, **named)  # type: ignore[arg-type]
        evaluations.append(time.process_time() - begun)
        return found

    ends: list[float] = []
    recipe = load_recipe(
        "bert",
        [
            f"model.size={size}",
            f"training.max_steps={_STEPS}",
            "training.logging_steps=1",
            f"evaluation.every_steps={_STEPS // 2}",
            "evaluation.final_sequences=1",
            "evaluation.final_draws=1",
        ],
    )
    with (
        tempfile.TemporaryDirectory() as place,
        displayed(False) as silent,
        mock.patch.object(HeldOutEvaluator, "during_training", timed),
        mock.patch.object(
            type(silent),
            "on_progress",
            lambda _, stage, *__: ends.append(time.process_time()) if stage == "training" else None,
        ),
    ):
        tidemask.pretrain(corpus, out=Path(place) / "run", recipe=recipe, progress=silent)
    steps = [after - before for before, after in pairwise(ends)][_FIRST_STEPS:]
    return statistics.median(steps), statistics.mean(evaluations)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each model."""
    corpus, *sizes = sys.argv[1:] if arguments is None else arguments
    for size in sizes:
        step, evaluation = measure(Path(corpus), size)
        share = 10 * evaluation / (DEFAULT_STEPS * step)
        print(
            f"{size}: a step takes {step:.2f} s, a measurement {evaluation:.2f} s, as long as "
            f"{evaluation / step:.1f} steps; ten of them are {100 * share:.1f} % of the "
            f"{DEFAULT_STEPS:,} steps of a run."
        )


if __name__ == "__main__":
    main()
