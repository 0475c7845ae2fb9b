"""Runs that are touched when a step is done, and whether they end as if nobody had."""

from __future__ import annotations

from collections.abc import Callable

from small_runs import records, same_weights
from tidemask.run_record import RunDirectory
from tidemask.runs.callbacks import RunCallbacks

SIX_STEPS = (
    "training.max_steps=6", "training.save_steps=2", "training.logging_steps=1",
    "training.keep_checkpoints=0",
)  # fmt: skip
"""Six steps with a line for each, and a checkpoint after every second, all kept."""


def at_step(step: int, act: Callable[[], None], notes: list[str] | None = None) -> RunCallbacks:
    """Do something once, when so many steps are done."""

    def on_progress(stage: str, done: int, total: int | None) -> None:
        if (stage, done) == ("training", step):
            act()

    kept: list[str] = [] if notes is None else notes
    return RunCallbacks(on_progress=on_progress, on_note=kept.append)


def saved_steps(run: RunDirectory) -> list[int]:
    """The steps of its checkpoints."""
    return [step for step, _ in run.checkpoints()]


def assert_same_runs(run: RunDirectory, unbroken: RunDirectory) -> None:
    """The weights and every line of metrics are those of the run that nobody touched."""
    assert same_weights(run, unbroken)
    assert repr(records(run)) == repr(records(unbroken))
