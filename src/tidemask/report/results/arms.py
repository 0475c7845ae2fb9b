"""Arms of a comparison: the runs of one policy on one corpus, which differ in their seeds alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tidemask.report.results.compared_run import ComparedRun, HeldOut, Series
from tidemask.report.results.downstream import DownstreamResult, finite_number
from tidemask.run_record import RANDOM


@dataclass(frozen=True, kw_only=True)
class ComparedArm:
    """The runs of one policy on one corpus.

    Attributes:
        runs: by their seeds, ascending; at least one.
    """

    runs: tuple[ComparedRun, ...]

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        return self.runs[0].arm

    @property
    def index(self) -> int:
        """Its place in the comparison, which decides its colour."""
        return self.runs[0].index

    @property
    def policy(self) -> str:
        """The name that it has on every corpus."""
        return self.runs[0].policy

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its runs."""
        return tuple(run.seed for run in self.runs)

    @cached_property
    def drawn(self) -> tuple[ComparedRun, ...]:
        """The runs that curves are of: those that are finished; all where none is."""
        finished = tuple(run for run in self.runs if run.is_finished)
        return finished or self.runs

    @cached_property
    def mean(self) -> ComparedRun:
        """A run whose numbers are the means over the seeds of `drawn`, at the steps of all.

        A value that one of the runs lacks is missing in the mean too.
        """
        by_step = [{record["step"]: record for record in run.records} for run in self.drawn]
        steps = [step for step in by_step[0] if all(step in records for records in by_step)]
        return replace(
            self.drawn[0],
            label=self.name,
            records=[
                {**_mean([records[step] for records in by_step]), "step": step} for step in steps
            ],
            held_out=self._held_out(),
            downstream=self._downstream(),
        )

    def series(self, name: str) -> Series:
        """A metric of each of `drawn` at the steps of `mean`, float64 [S, T]."""
        steps = self.mean.steps
        return np.array([run.series(name)[np.isin(run.steps, steps)] for run in self.drawn])

    def _downstream(self) -> tuple[DownstreamResult, ...]:
        """Results at checkpoints that all runs have which were measured on the task.

        A run that was broken off and went on has a checkpoint more, whose score would stand among
        medians over seeds. Random weights are the same for all, and may be measured once.
        """
        common: dict[str, set[str]] = {}
        for run in self.drawn:
            trained = [one for one in run.downstream if one.checkpoint != RANDOM]
            for task in {one.task for one in trained}:
                places = {one.checkpoint for one in trained if one.task == task}
                common[task] = common.get(task, places) & places
        return tuple(
            one
            for run in self.drawn
            for one in run.downstream
            if one.checkpoint in {RANDOM, *common.get(one.task, ())}
        )

    def _held_out(self) -> HeldOut:
        known = [run.held_out for run in self.drawn if run.held_out.checkpoint is not None]
        if not known:
            return HeldOut()
        metrics = _mean([one.metrics for one in known])
        return replace(known[0], metrics=metrics)


def _mean(records: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The mean of every number that all records have; `None` for what only some have."""
    means: dict[str, float | None] = {}
    for name in dict.fromkeys(name for record in records for name in record):
        values = [finite_number(record.get(name)) for record in records]
        known = [value for value in values if value is not None]
        complete = len(known) == len(values)
        means[name] = math.fsum(known) / len(known) if complete else None
    return means


def arms_of(runs: Sequence[ComparedRun]) -> list[ComparedArm]:
    """The arms of a comparison, in the order in which they are named."""
    members: dict[str, list[ComparedRun]] = {}
    for run in runs:
        members.setdefault(run.arm, []).append(run)
    return [
        ComparedArm(runs=tuple(sorted(found, key=lambda run: run.seed)))
        for found in members.values()
    ]
