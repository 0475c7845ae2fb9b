"""The tables of downstream scores: one row per run, medians over seeds, and every result."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.downstream import (
    DEV,
    checkpoint_order,
    display_scale,
    metric_label,
)
from tidemask.report.results.measures import LOSSES
from tidemask.report.results.score_rows import (
    ScoreRow,
    averaged_tasks,
    glue_average,
    random_weights_rows,
    run_rows,
    splits_of,
    tasks_of,
)
from tidemask.report.tables.final_scores import RUN, loss_column
from tidemask.report.tables.typed_table import Cell, Column, Table
from tidemask.run_record import GLUE_TASKS, LEARNING_RATE, MEAN_LOSS

_TASK = Column("task", "task")
_CHECKPOINT = Column("checkpoint", "checkpoint")
_STEP = Column("step", "step", kind="count")
_SEED = Column("seed", "seed", kind="count")
_METRIC = Column("metric", "metric")


def downstream_tables(runs: Sequence[ComparedRun]) -> list[Table]:
    """The tables of single runs and results, in the order of their files."""
    return [
        downstream_medians_table(runs),
        downstream_table(runs),
        downstream_metrics_table(runs),
    ]


def downstream_scores_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per arm and for random weights; no row if nothing was measured downstream.

    Args:
        runs: means of the arms, with the results of all their seeds.
    """
    rows = [*run_rows(runs), *random_weights_rows(runs)]
    averaged = averaged_tasks(rows)
    scored = [(task, split) for task in tasks_of(rows) for split in splits_of(rows, task)]
    held_out = Column(loss_column(MEAN_LOSS), LOSSES[MEAN_LOSS], unit="nats", kind="real")
    columns = [RUN, held_out]
    columns += (column for task, split in scored for column in _score_columns(rows, task, split))
    if averaged:
        columns.append(_average_column(averaged))
    cells = tuple(_scores(row, scored, averaged) for row in rows) if scored else ()
    return Table(name="downstream_scores", columns=tuple(columns), rows=cells)


def _average_column(tasks: Sequence[str]) -> Column:
    is_whole = len(tasks) == len(GLUE_TASKS)
    return Column(
        "glue_average",
        "GLUE average" if is_whole else f"average of {len(tasks)} GLUE tasks",
        unit="all nine tasks" if is_whole else ", ".join(tasks),
        kind="real",
        digits=1,
    )


def _score_columns(rows: Sequence[ScoreRow], task: str, split: str) -> tuple[Column, ...]:
    """The median, and for the CSV file its limits, number of seeds and checkpoint."""
    summaries = [(key, summary) for row in rows for key, summary in row.summaries.items()]
    metric = next(summary.metric for (name, _, _), summary in summaries if name == task)
    name = task if split == DEV else f"{task}/{split}"
    return (
        Column(
            name,
            task if split == DEV else f"{task} ({split})",
            unit=metric_label(metric),
            kind="real",
            digits=1 if display_scale(metric) > 1 else 2,
            limits=(f"{name}/low", f"{name}/high"),
        ),
        Column(f"{name}/low", "low", kind="real", shown=False),
        Column(f"{name}/high", "high", kind="real", shown=False),
        Column(f"{name}/seeds", "seeds", kind="count", shown=False),
        Column(f"{name}/checkpoint", "checkpoint", shown=False),
    )


def _scores(
    row: ScoreRow, scored: Sequence[tuple[str, str]], averaged: Sequence[str]
) -> tuple[Cell, ...]:
    cells: list[Cell] = [row.label, row.held_out.loss(MEAN_LOSS)]
    for task, split in scored:
        score = row.score(task, split)
        if score is None:
            cells += [None] * 5
        else:
            cells += [score.median, score.low, score.high, len(score.seeds) or None]
            cells.append(row.newest(task))
    if averaged:
        cells.append(glue_average(row, averaged))
    return tuple(cells)


def downstream_medians_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run, task, checkpoint and split: median and spread over the seeds."""
    numbers = {
        "median": "median",
        "low": "lowest",
        "high": "highest",
        "quartile_1": "first quartile",
        "quartile_3": "third quartile",
    }
    columns = (
        *(RUN, _TASK, _CHECKPOINT, _STEP, Column("split", "split"), _METRIC),
        Column("seeds", "seeds", kind="count"),
        *(Column(n, title, kind="real", digits=2) for n, title in numbers.items()),
        Column(LEARNING_RATE, "learning rate"),
    )
    scored = [*run_rows(runs), *random_weights_rows(runs)]
    rows = tuple(
        _median_cells(row, task, checkpoint, split)
        for task in tasks_of(scored)
        for row in scored
        for checkpoint in sorted({key[1] for key in row.summaries}, key=checkpoint_order)
        for split in splits_of(scored, task)
        if (task, checkpoint, split) in row.summaries
    )
    return Table(name="downstream_medians", columns=columns, rows=rows)


def _median_cells(row: ScoreRow, task: str, checkpoint: str, split: str) -> tuple[Cell, ...]:
    score = row.summaries[task, checkpoint, split]
    return (
        row.label,
        task,
        checkpoint,
        row.step(checkpoint),
        split if score.seeds else None,
        metric_label(score.metric),
        len(score.seeds) or None,
        score.median,
        score.low,
        score.high,
        *(score.quartiles or (None, None)),
        ", ".join(f"{rate:g}" for rate in score.learning_rates) or None,
    )


def downstream_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run, task, checkpoint and seed; those of random weights under every run."""
    columns = (
        *(RUN, _TASK, _CHECKPOINT, _STEP, _SEED, _METRIC),
        Column("score", "score", kind="real", digits=2),
        Column(LEARNING_RATE, "learning rate", kind="real", digits=6),
        Column("seconds", "time", kind="seconds"),
    )
    rows = tuple(
        (
            row.label,
            result.task,
            result.checkpoint,
            row.step(result.checkpoint),
            result.seed,
            metric_label(result.metric),
            result.score,
            result.learning_rate,
            result.seconds,
        )
        for row, run in zip(run_rows(runs), runs, strict=True)
        for result in run.downstream
    )
    return Table(name="downstream", columns=columns, rows=rows)


def downstream_metrics_table(runs: Sequence[ComparedRun]) -> Table:
    """Every metric of every result, on the scale on which it was written."""
    value = Column("value", "value", kind="real")
    rows = tuple(
        (run.label, result.task, result.checkpoint, result.seed, name, metric)
        for run in runs
        for result in run.downstream
        for name, metric in result.metrics.items()
    )
    columns = (RUN, _TASK, _CHECKPOINT, _SEED, _METRIC, value)
    return Table(name="downstream_metrics", columns=columns, rows=rows)
