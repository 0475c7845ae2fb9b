"""Downstream scores of the runs of a comparison, and of random weights beside them.

A fine-tuned random model is far above chance on many tasks: what pre-training bought is the
distance to it. So random weights are a row of their own, in every table and figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tidemask.report.results.compared_run import ComparedRun, HeldOut
from tidemask.report.results.downstream import (
    DownstreamResult,
    ScoreSummary,
    checkpoint_order,
    summarise,
)
from tidemask.run_record import FINAL, GLUE_TASKS, RANDOM, START

_USUAL_ORDER = (
    *("blimp", "pairs", "pseudo-perplexity"),
    *GLUE_TASKS,
    *("xnli_en", "squad", "squad_v2", "conll2003", "pos"),
)


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """A row of the downstream scores: a run, or random weights.

    Attributes:
        label: what it is called.
        run: `None` for random weights.
        held_out: its held-out losses, if they were measured.
        results: its downstream results.
    """

    label: str
    run: ComparedRun | None
    held_out: HeldOut | None
    results: Sequence[DownstreamResult]
    summaries: Mapping[tuple[str, str], ScoreSummary] = field(init=False)
    """On dev, by task and checkpoint."""
    on_other_splits: Mapping[tuple[str, str, str], ScoreSummary] = field(init=False)
    """By task, checkpoint and split."""

    def __post_init__(self) -> None:
        dev: dict[tuple[str, str], list[DownstreamResult]] = {}
        others: dict[tuple[str, str, str], list[DownstreamResult]] = {}
        for result in self.results:
            key = result.task, result.checkpoint
            dev.setdefault(key, []).append(result)
            for split in result.other_splits:
                others.setdefault((*key, split), []).append(result.on(split))
        object.__setattr__(self, "summaries", _summaries(dev))
        object.__setattr__(self, "on_other_splits", _summaries(others))

    def newest(self, task: str) -> str | None:
        """The checkpoint whose scores stand for the row: the final one, else the latest."""
        found = {result.checkpoint for result in self.results if result.task == task} - {START}
        return max(found, key=checkpoint_order, default=None)

    def score(self, task: str, split: str = "") -> ScoreSummary | None:
        """The scores of a task that stand for the row; `None` if there are none.

        Args:
            task: its name.
            split: one beside dev.
        """
        newest = self.newest(task) or ""
        if split:
            return self.on_other_splits.get((task, newest, split))
        return self.summaries.get((task, newest))

    def step(self, checkpoint: str) -> int | None:
        """Pre-training steps behind a checkpoint; `None` if it is no point of a curve."""
        if checkpoint == FINAL:
            return self.run.last_step if self.run else None
        if checkpoint == START:
            return 0
        step = checkpoint_order(checkpoint)
        return int(step) if math.isfinite(step) and step >= 0 else None

    def curve(self, task: str) -> list[tuple[int, ScoreSummary]]:
        """Pre-training steps and scores of a task, ascending; the final model at its last step."""
        points: dict[int, ScoreSummary] = {}
        for name, checkpoint in sorted(self.summaries, key=lambda key: checkpoint_order(key[1])):
            step = self.step(checkpoint)
            if name == task and step is not None:
                points[step] = self.summaries[name, checkpoint]
        return sorted(points.items())


_Key = TypeVar("_Key")


def _summaries(groups: Mapping[_Key, Sequence[DownstreamResult]]) -> dict[_Key, ScoreSummary]:
    found = {key: summarise(results) for key, results in groups.items()}
    return {key: summary for key, summary in found.items() if summary is not None}


def run_rows(runs: Sequence[ComparedRun]) -> list[ScoreRow]:
    """The rows of the runs, in their order; also of those without results."""
    return [
        ScoreRow(
            label=run.label,
            run=run,
            held_out=run.held_out,
            results=[result for result in run.downstream if result.checkpoint != RANDOM],
        )
        for run in runs
    ]


def random_weights_rows(runs: Sequence[ComparedRun]) -> list[ScoreRow]:
    """The rows of random weights: one for all runs whose random models are the same.

    They are the same where model settings and corpus are, and no score is contradicted; a run may
    have seeds and tasks that another lacks.
    """
    groups: list[tuple[list[ComparedRun], dict[tuple[Any, ...], DownstreamResult]]] = []
    for run in runs:
        found = {
            (result.task, result.seed): result
            for result in run.downstream
            if result.checkpoint == RANDOM
        }
        if not found:
            continue
        for members, results in groups:
            if _same_start(members[0], run) and _agree(results, found):
                members.append(run)
                results.update({key: found[key] for key in found.keys() - results.keys()})
                break
        else:
            groups.append(([run], found))
    return [
        ScoreRow(
            label="random weights"
            if len(groups) == 1
            else f"random weights of {', '.join(run.label for run in members)}",
            run=None,
            held_out=None,
            results=[results[key] for key in sorted(results, key=str)],
        )
        for members, results in groups
    ]


def _same_start(one: ComparedRun, other: ComparedRun) -> bool:
    models = {json.dumps(run.setting("model"), sort_keys=True, default=str) for run in (one, other)}
    return len(models) == 1 and one.fingerprint == other.fingerprint


def _agree(
    one: Mapping[tuple[Any, ...], DownstreamResult],
    other: Mapping[tuple[Any, ...], DownstreamResult],
) -> bool:
    return all(one[key].score == other[key].score for key in one.keys() & other.keys())


def tasks_of(rows: Sequence[ScoreRow]) -> list[str]:
    """Every task with a score in any row: zero-shot ones, GLUE, then others by the alphabet."""
    tasks = {task for row in rows for task, _ in row.summaries}
    places = {name: place for place, name in enumerate(_USUAL_ORDER)}
    return sorted(tasks, key=lambda task: (places.get(task, len(places)), task))


def splits_of(rows: Sequence[ScoreRow], task: str) -> list[str]:
    """Splits beside dev that a task was scored on in any row."""
    return sorted({split for row in rows for name, _, split in row.on_other_splits if name == task})


def averaged_tasks(rows: Sequence[ScoreRow]) -> list[str]:
    """The GLUE tasks that every run with downstream scores has; empty if fewer than two."""
    runs = [row for row in rows if row.run is not None and row.summaries]
    common = [task for task in GLUE_TASKS if runs and all(row.score(task) for row in runs)]
    return common if len(common) > 1 else []


def glue_average(row: ScoreRow, tasks: Sequence[str]) -> float | None:
    """Mean of the medians of these tasks; `None` unless the row has all of them."""
    scores = [row.score(task) for task in tasks]
    known = [score.median for score in scores if score is not None]
    return sum(known) / len(known) if known and len(known) == len(tasks) else None


def downstream_notes(runs: Sequence[ComparedRun]) -> list[str]:
    """What the measurements themselves say of how they came about, each sentence once per task."""
    labels: dict[tuple[str, str], dict[str, None]] = {}
    for row in [*run_rows(runs), *random_weights_rows(runs)]:
        for result in row.results:
            for note in result.notes:
                labels.setdefault((result.task, note), {})[row.label] = None
    return [f"{task} ({', '.join(names)}): {note}" for (task, note), names in labels.items()]
