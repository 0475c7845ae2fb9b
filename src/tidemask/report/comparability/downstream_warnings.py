"""Warnings on downstream scores: measured differently, not of the final model, or missing."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.report.comparability.differences import difference, listed, setting_differences
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
        measured = [
            (run.label, {**result.conditions, "main_metric": result.metric})
            for run in runs
            for result in run.downstream
            if result.task == task
        ]
        found += setting_differences(measured, _is_compared, f"how {task} was measured ({{path}})")
        seeds = [
            (row.label, ", ".join(map(str, score.seeds)) or "none")
            for row in rows
            if (score := row.score(task)) is not None
        ]
        found += difference(f"the set of seeds of {task}", seeds)
    return found


def _is_compared(path: str) -> bool:
    return path.rpartition(".")[2] not in _NUM_SEEDS


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
    found: dict[str, list[str]] = {}
    for task in tasks:
        checkpoint = row.newest(task)
        if checkpoint not in (None, FINAL):
            found.setdefault(str(checkpoint), []).append(task)
    return [
        f"The scores of {row.label} on {listed(names)} are those of {checkpoint}."
        for checkpoint, names in found.items()
    ]
