"""Scores as text: the tables that `tidemask evaluate` prints at its end."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tidemask.evaluation.results import Result
from tidemask.evaluation_units import Outcome
from tidemask.results_text import show_evaluations
from tidemask.terminal import print_table

_COLUMNS_AT_ONCE = 4
"""Models beside each other in 80 columns."""

_IN_NATS = ("held_out/", "pseudo_perplexity")
"""What the names of metrics begin with that are not shares; they are shown as they are."""

_HELD_OUT = "held-out"


def show_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print the scores of each target: a table of held-out losses, and one of all other tasks."""
    targets = list(dict.fromkeys(one.target for one in outcomes))
    for target in targets:
        own = [one for one in outcomes if one.target == target]
        losses = [
            (one.checkpoint, one.results[0].metrics)
            for one in own
            if one.task == _HELD_OUT and one.results
        ]
        if losses:
            show_evaluations(losses, of=target if len(targets) > 1 else "")
        scored = [one for one in own if one.task != _HELD_OUT]
        if scored:
            _show_scores(target, scored)


def _show_scores(target: str, outcomes: Sequence[Outcome]) -> None:
    checkpoints = list(dict.fromkeys(one.checkpoint for one in outcomes))
    tasks = list(dict.fromkeys((one.task, one.main_metric) for one in outcomes))
    cells = {(one.task, one.checkpoint): _cell(one) for one in outcomes}
    for start in range(0, len(checkpoints), _COLUMNS_AT_ONCE):
        shown = checkpoints[start : start + _COLUMNS_AT_ONCE]
        rows = [
            [task, _brief(metric), *(cells.get((task, name), "-") for name in shown)]
            for task, metric in tasks
        ]
        print_table(
            ["task", "metric", *(_short(name) for name in shown)],
            rows,
            title=f"{target}: median (lowest-highest) over seeds; shares x 100",
            text_columns=2,
        )


def _cell(outcome: Outcome) -> str:
    if outcome.problem and not outcome.results:
        return "failed"
    values = [_scaled(outcome, result) for result in outcome.results]
    middle = f"{median(values):.1f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.1f}-{max(values):.1f})"


def _scaled(outcome: Outcome, result: Result) -> float:
    factor = 1 if outcome.main_metric.startswith(_IN_NATS) else 100
    return factor * result.metrics[outcome.main_metric]


def _short(checkpoint: str) -> str:
    """A checkpoint's name that leaves room for its scores: its step."""
    return checkpoint.removeprefix("checkpoint-")


def _brief(metric: str) -> str:
    return {"matthews_correlation": "matthews"}.get(metric, metric)
