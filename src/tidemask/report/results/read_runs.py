"""Reads a run directory into a run of a comparison: each is read once, and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
from tidemask.report.results.sources import RunSource
from tidemask.run_record import HELD_OUT_TASK, RANDOM, START, RunDirectory, read_metrics


def refuse_repeated(directories: Sequence[Path]) -> None:
    """Refuse a directory that is named twice.

    Raises:
        UserError: names it.
    """
    counts = Counter(path.resolve() for path in directories)
    for path in directories:
        if counts[path.resolve()] > 1:
            raise UserError(
                f"the same run twice: {path}. Expected different run directories. Name each once."
            )


def read_run(source: RunSource) -> ComparedRun:
    """Read one run, which has no place among others yet.

    Raises:
        UserError: it is not a run, has no logged step, or a file is damaged.
    """
    directory = RunDirectory(source.directory)
    config = directory.read_config()
    records = read_metrics(directory.metrics)
    if not records:
        raise UserError(
            f"a run without a logged step: {directory.metrics}. Expected at least one line. "
            "Wait until the run has logged, or leave it out."
        )
    evaluations = read_evaluations(directory)
    run = ComparedRun(
        label="",
        arm="",
        policy=source.policy or "",
        index=0,
        directory=directory.root,
        config=config,
        environment=directory.read_environment(),
        records=records,
        held_out=_newest_held_out(evaluations),
        downstream=_downstream(directory, evaluations),
        corpus=source.corpus,
        had_machine_alone=source.had_machine_alone,
    )
    _check_same_corpus(run)
    return run


def _check_same_corpus(run: ComparedRun) -> None:
    """Both files of a run name its corpus; a run of another would be compared with none.

    Raises:
        UserError: they name different ones.
    """
    named = run.setting("corpus.fingerprint")
    if named is not None and run.fingerprint != str(named):
        files = RunDirectory(run.directory)
        raise UserError(
            f"damaged environment: {files.environment}: corpus.fingerprint={run.fingerprint}. "
            f"Expected that of {files.config.name}, {named}. Restore the file, or delete it."
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
