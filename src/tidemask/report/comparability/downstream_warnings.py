"""Warnings on downstream scores: measured differently, not of the final model, or missing."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.report.comparability.differences import difference_of, flat_settings, listed
from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.score_rows import ScoreRow, random_weights_rows, run_rows, tasks_of
from tidemask.run_record import FINAL

_NUM_SEEDS = frozenset({"num_seeds", "seeds"})
"""Settings that decide how many results there are, not what each of them is."""


def downstream_differences(runs: Sequence[ComparedRun]) -> list[str]:
    """Sentences on tasks that were not measured in the same way, or on other seeds."""
    rows = run_rows(runs)
    found = []
    for task in tasks_of(rows):
        found += _condition_differences(task, runs)
        found.append(_seed_difference(task, rows))
    return [sentence for sentence in found if sentence]


def _condition_differences(task: str, runs: Sequence[ComparedRun]) -> list[str | None]:
    """One sentence per setting, or fingerprint of the data, that is not the same everywhere."""
    measured = [
        (run.label, flat_settings({**result.conditions, "main_metric": result.metric}))
        for run in runs
        for result in run.downstream
        if result.task == task
    ]
    paths = dict.fromkeys(path for _, conditions in measured for path in conditions)
    return [
        difference_of(
            f"how {task} was measured ({path})",
            [(conditions.get(path, "not set"), label) for label, conditions in measured],
        )
        for path in paths
        if path.rpartition(".")[2] not in _NUM_SEEDS
    ]


def _seed_difference(task: str, rows: Sequence[ScoreRow]) -> str | None:
    scores = [(row.label, row.score(task)) for row in rows]
    return difference_of(
        f"the set of seeds of {task}",
        [
            (", ".join(map(str, score.seeds)) or "none", label)
            for label, score in scores
            if score is not None
        ],
    )


def downstream_remarks(runs: Sequence[ComparedRun]) -> list[str]:
    """Sentences on scores of models that are not the final ones, and on missing ones."""
    rows = run_rows(runs)
    tasks = tasks_of(rows)
    if not tasks:
        return []
    remarks = [sentence for row in rows for sentence in _not_final(row, tasks)]
    random = random_weights_rows(runs)
    without = [task for task in tasks if not any(row.score(task) for row in random)]
    if without:
        remarks.append(
            f"Random weights were not measured on {listed(without)}: what pre-training bought "
            "there is not known, for a fine-tuned random model is not at chance."
        )
    return remarks


def _not_final(row: ScoreRow, tasks: Sequence[str]) -> list[str]:
    newest = {task: row.newest(task) for task in tasks}
    found: dict[str, list[str]] = {}
    for task, checkpoint in newest.items():
        if checkpoint not in (None, FINAL):
            found.setdefault(str(checkpoint), []).append(task)
    return [
        f"The scores of {row.label} on {listed(names)} are those of {checkpoint}."
        for checkpoint, names in found.items()
    ]
