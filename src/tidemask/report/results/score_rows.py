"""Downstream scores of the runs of a comparison, and of random weights beside them.

A fine-tuned random model is far above chance on many tasks: what pre-training bought is the
distance to it. So random weights are a row of their own, in every table and figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tidemask.report.results.compared_run import ComparedRun, HeldOut, in_usual_order
from tidemask.report.results.downstream import (
    DEV,
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

_ByTaskAndSeed = dict[tuple[str, int | None], DownstreamResult]


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """A row of the downstream scores: a run, or random weights.

    Attributes:
        label: what it is called.
        run: `None` for random weights.
        results: its downstream results.
    """

    label: str
    run: ComparedRun | None
    results: Sequence[DownstreamResult]

    @property
    def held_out(self) -> HeldOut:
        """Its held-out losses; those of random weights are not measured."""
        return self.run.held_out if self.run else HeldOut()

    @cached_property
    def summaries(self) -> Mapping[tuple[str, str, str], ScoreSummary]:
        """Median and spread by task, checkpoint and split, where there is a score."""
        groups: dict[tuple[str, str, str], list[DownstreamResult]] = {}
        for result in self.results:
            for split in result.splits:
                key = result.task, result.checkpoint, split
                groups.setdefault(key, []).append(result.on_split(split))
        found = {key: summarise(results) for key, results in groups.items()}
        return {key: summary for key, summary in found.items() if summary is not None}

    def newest(self, task: str) -> str | None:
        """The checkpoint whose scores stand for the row: the final one, else the latest."""
        found = {result.checkpoint for result in self.results if result.task == task} - {START}
        return max(found, key=checkpoint_order, default=None)

    def score(self, task: str, split: str = DEV) -> ScoreSummary | None:
        """The scores of a task that stand for the row; `None` if there are none."""
        return self.summaries.get((task, self.newest(task) or "", split))

    def step(self, checkpoint: str) -> int | None:
        """Pre-training steps of a checkpoint; `None` if it is not a point of a curve."""
        if checkpoint == FINAL:
            return self.run.last_step if self.run else None
        if checkpoint == START:
            return 0
        step = checkpoint_order(checkpoint)
        return int(step) if math.isfinite(step) and step >= 0 else None

    def curve(self, task: str) -> list[tuple[int, ScoreSummary]]:
        """Pre-training steps and scores of a task, ascending; the final model at its last step."""
        points: dict[int, ScoreSummary] = {}
        # The final model comes last, so it takes the place of a checkpoint at the same step.
        for key in sorted(self.summaries, key=lambda key: checkpoint_order(key[1])):
            name, checkpoint, split = key
            step = self.step(checkpoint)
            if (name, split) == (task, DEV) and step is not None:
                points[step] = self.summaries[key]
        return sorted(points.items())


def run_rows(runs: Sequence[ComparedRun]) -> list[ScoreRow]:
    """The rows of the runs, in their order; also of those without results."""
    return [
        ScoreRow(
            label=run.label,
            run=run,
            results=[result for result in run.downstream if result.checkpoint != RANDOM],
        )
        for run in runs
    ]


def random_weights_rows(runs: Sequence[ComparedRun]) -> list[ScoreRow]:
    """The rows of random weights: one for all runs whose random models are the same.

    They are the same where model settings and corpus are, and no score is contradicted; a run may
    have seeds and tasks that another lacks.
    """
    groups: list[tuple[list[ComparedRun], _ByTaskAndSeed]] = []
    for run in runs:
        found = {(r.task, r.seed): r for r in run.downstream if r.checkpoint == RANDOM}
        if not found:
            continue
        for members, results in groups:
            if _same_start(members[0], run) and _agree(results, found):
                members.append(run)
                results.update({key: found[key] for key in found.keys() - results.keys()})
                break
        else:
            groups.append(([run], found))
    rows = []
    for members, results in groups:
        of = "" if len(groups) == 1 else f" of {', '.join(run.label for run in members)}"
        ordered = [results[key] for key in sorted(results, key=str)]
        rows.append(ScoreRow(label=f"random weights{of}", run=None, results=ordered))
    return rows


def _same_start(one: ComparedRun, other: ComparedRun) -> bool:
    models = {
        json.dumps(
            [run.setting("model"), run.setting("model_fingerprint")], sort_keys=True, default=str
        )
        for run in (one, other)
    }
    return len(models) == 1 and one.fingerprint == other.fingerprint


def _agree(one: _ByTaskAndSeed, other: _ByTaskAndSeed) -> bool:
    return all(one[key].score == other[key].score for key in one.keys() & other.keys())


def tasks_of(rows: Sequence[ScoreRow]) -> list[str]:
    """Every task with a score in any row: zero-shot ones, GLUE, then others by the alphabet."""
    tasks = {task for row in rows for task, _, split in row.summaries if split == DEV}
    return in_usual_order(tasks, _USUAL_ORDER)


def splits_of(rows: Sequence[ScoreRow], task: str) -> list[str]:
    """Dev, then the other splits that a task was scored on in any row."""
    splits = {split for row in rows for name, _, split in row.summaries if name == task}
    return [DEV, *sorted(splits - {DEV})]


def averaged_tasks(rows: Sequence[ScoreRow]) -> list[str]:
    """The GLUE tasks that every run with downstream scores has; empty if fewer than two."""
    runs = [row for row in rows if row.run is not None and tasks_of([row])]
    common = [task for task in GLUE_TASKS if runs and all(row.score(task) for row in runs)]
    return common if len(common) > 1 else []


def glue_average(row: ScoreRow, tasks: Sequence[str]) -> float | None:
    """Mean of the medians of these tasks; `None` unless the row has all of them."""
    scores = [row.score(task) for task in tasks]
    known = [score.median for score in scores if score is not None]
    return sum(known) / len(known) if known and len(known) == len(tasks) else None


def downstream_notes(runs: Sequence[ComparedRun]) -> list[str]:
    """The notes that the measurements carry, each sentence once per task with the rows' labels."""
    labels: dict[tuple[str, str], dict[str, None]] = {}
    for row in [*run_rows(runs), *random_weights_rows(runs)]:
        for result in row.results:
            for note in result.notes:
                labels.setdefault((result.task, note), {})[row.label] = None
    return [f"{task} ({', '.join(names)}): {note}" for (task, note), names in labels.items()]
