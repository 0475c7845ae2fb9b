"""Reads run directories into the runs of a comparison: each is read once, checked and labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tidemask.errors import UserError
from tidemask.evaluation_files import Evaluation, read_evaluations
from tidemask.report.results.compared_run import ComparedRun, HeldOut
from tidemask.report.results.downstream import (
    DownstreamResult,
    check_consistent,
    checkpoint_order,
    downstream_result,
)
from tidemask.run_record import HELD_OUT_TASK, RANDOM, START, RunDirectory, read_metrics


def read_runs(directories: Sequence[Path]) -> list[ComparedRun]:
    """Read the runs of a comparison, in the order in which they are named.

    Raises:
        UserError: no directory, one named twice, one that is not a run or has no logged step, or
            a damaged file.
    """
    if not directories:
        raise UserError("nothing to compare: 0 run directories. Name at least one.")
    _refuse_repeated(directories)
    runs = [_read(index, RunDirectory(path)) for index, path in enumerate(directories)]
    recipes = Counter(run.recipe for run in runs)
    same = [run for run in runs if recipes[run.recipe] > 1]
    labels = {run.index: run.recipe for run in runs}
    for run, name in zip(same, distinct_names(same), strict=True):
        labels[run.index] = f"{run.recipe} ({name})"
    return [replace(run, label=labels[run.index]) for run in runs]


def distinct_names(runs: Sequence[ComparedRun]) -> list[str]:
    """The shortest ends of the paths of the runs' directories that are all different."""
    parts = [run.directory.resolve().parts for run in runs]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = [str(Path(*part[-depth:])) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [str(run.directory) for run in runs]


def _refuse_repeated(directories: Sequence[Path]) -> None:
    counts = Counter(path.resolve() for path in directories)
    for path in directories:
        if counts[path.resolve()] > 1:
            raise UserError(
                f"the same run twice: {path}. Expected different run directories. Name each once."
            )


def _read(index: int, directory: RunDirectory) -> ComparedRun:
    config = directory.read_config()
    records = read_metrics(directory.metrics)
    if not records:
        raise UserError(
            f"a run without a logged step: {directory.metrics}. Expected at least one line. "
            "Wait until the run has logged, or leave it out."
        )
    evaluations = read_evaluations(directory)
    return ComparedRun(
        label="",
        index=index,
        directory=directory.root,
        config=config,
        environment=directory.read_environment(),
        records=records,
        held_out=_newest_held_out(evaluations),
        downstream=_downstream(directory, evaluations),
    )


def _newest_held_out(evaluations: Sequence[Evaluation]) -> HeldOut:
    found = {
        one.checkpoint: HeldOut(
            checkpoint=one.checkpoint, metrics=one.metrics, settings=one.settings
        )
        for one in evaluations
        if one.task == HELD_OUT_TASK and one.checkpoint not in (START, RANDOM)
    }
    return found[max(found, key=checkpoint_order)] if found else HeldOut()


def _downstream(
    directory: RunDirectory, evaluations: Sequence[Evaluation]
) -> tuple[DownstreamResult, ...]:
    """The downstream results by task, checkpoint and seed."""
    parsed = map(downstream_result, evaluations)
    results = [result for result in parsed if result is not None]
    check_consistent(directory.evaluation, results)
    results.sort(key=lambda one: (one.task, checkpoint_order(one.checkpoint), one.seed or 0))
    return tuple(results)
