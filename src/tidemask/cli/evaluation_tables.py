"""The tables of scores that `tidemask evaluate` prints at its end, at most 78 columns wide."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tidemask.cli.held_out_table import show_evaluations
from tidemask.cli.tables import GAP, blocks_that_fit, print_table, table_width
from tidemask.cli.terminal import print_line
from tidemask.evaluation.jobs import JobResult
from tidemask.run_record import HELD_OUT, HELD_OUT_TASK

_NOT_SHARES = (HELD_OUT, "pseudo_perplexity")
"""Prefixes of the names of metrics that are not shares; they are shown as they are."""

_SECONDARY = ("accuracy", "f1", "f1_macro", "exact_match", "pearson", "spearman")
"""Metrics that are shown below the main one."""


def show_results(jobs: Sequence[JobResult]) -> None:
    """Print the scores of each target: a table of held-out losses, and one of all other tasks."""
    targets = list(dict.fromkeys(job.target for job in jobs))
    for target in targets:
        own = [job for job in jobs if job.target == target]
        losses = [
            (job.checkpoint, job.results[0].metrics)
            for job in own
            if job.task == HELD_OUT_TASK and job.results
        ]
        if losses:
            show_evaluations(losses, of=target if len(targets) > 1 else "")
        scored = [job for job in own if job.task != HELD_OUT_TASK]
        if scored:
            _show_scores(target, scored)


def _show_scores(target: str, jobs: Sequence[JobResult]) -> None:
    checkpoints = list(dict.fromkeys(job.checkpoint for job in jobs))
    lines = list(dict.fromkeys((job.task, name) for job in jobs for name in _metrics(job)))
    found = {(job.task, job.checkpoint): job for job in jobs}
    num_seeds = max(len(job.results) for job in jobs)
    spread = f", median (lowest to highest) of up to {num_seeds} seeds" if num_seeds > 1 else ""
    print_line(f"{target}: shares x 100{spread}")
    cells = {
        (task, metric, name): _cell(found.get((task, name)), metric)
        for task, metric in lines
        for name in checkpoints
    }
    widths = [max(map(len, cells.values())) + GAP] * len(checkpoints)
    names = max(len(task) for task, _ in lines) + max(len(_brief(metric)) for _, metric in lines)
    for block in blocks_that_fit(widths, room=table_width() - 2 - names - GAP):
        shown = [checkpoints[column] for column in block]
        rows = []
        for number, (task, metric) in enumerate(lines):
            is_first = number == 0 or lines[number - 1][0] != task
            scores = [cells[task, metric, name] for name in shown]
            rows.append([task if is_first else "", _brief(metric), *scores])
        print_table(["task", "metric", *(_short(name) for name in shown)], rows, text_columns=2)


def _metrics(job: JobResult) -> list[str]:
    """The main metric, the same on other splits, and the usual secondary metrics."""
    main = job.main_metric
    known = job.results[0].metrics if job.results else {}
    others = [f"mismatched/{main}", f"test/{main}", *_SECONDARY]
    return [main, *(name for name in others if name in known and name != main)]


def _cell(job: JobResult | None, metric: str) -> str:
    if job is None:
        return "-"
    if job.problem and not job.results:
        return "failed"
    factor = 1 if metric.startswith(_NOT_SHARES) else 100
    known = [result.metrics for result in job.results if metric in result.metrics]
    values = [factor * metrics[metric] for metrics in known]
    if not values:
        return "-"
    middle = f"{median(values):.1f}"
    if len(values) > 1:
        return f"{middle} ({min(values):.1f} to {max(values):.1f})"
    error = job.results[0].metrics.get(f"{metric}_standard_error")
    return middle if error is None else f"{middle} ± {factor * error:.1f}"


def _short(checkpoint: str) -> str:
    """A checkpoint's name that leaves room for its scores: its step."""
    return checkpoint.removeprefix("checkpoint-")


def _brief(metric: str) -> str:
    return metric.replace("matthews_correlation", "matthews").replace("pseudo_perplexity", "PPPL")
