"""The tables of downstream scores: one row per run for readers, and every result as it was made."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.report.results.compared_run import ComparedRun
from tidemask.report.results.downstream import (
    DownstreamResult,
    ScoreSummary,
    checkpoint_order,
    display_scale,
    metric_label,
)
from tidemask.report.results.score_rows import (
    ScoreRow,
    averaged_tasks,
    glue_average,
    random_weights_rows,
    run_rows,
    splits_of,
    tasks_of,
)
from tidemask.report.tables.final_scores import RUN
from tidemask.report.tables.typed_table import Cell, Column, Table
from tidemask.run_record import GLUE_TASKS, HELD_OUT_PERCENTS

GLUE_AVERAGE = "glue_average"

_TASK = Column(name="task", title="task")
_CHECKPOINT = Column(name="checkpoint", title="checkpoint")
_STEP = Column(name="step", title="step", kind="count")
_SEED = Column(name="seed", title="seed", kind="count")


def downstream_tables(runs: Sequence[ComparedRun]) -> list[Table]:
    """Every table of downstream scores, in the order of their files."""
    return [
        downstream_scores_table(runs),
        downstream_medians_table(runs),
        downstream_table(runs),
        downstream_metrics_table(runs),
    ]


def downstream_scores_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run and for random weights; no row if nothing was measured downstream."""
    rows = [*run_rows(runs), *random_weights_rows(runs)]
    tasks = tasks_of(rows)
    averaged = averaged_tasks(rows)
    scored = [(task, split) for task in tasks for split in ("", *splits_of(rows, task))]
    columns = [
        RUN,
        *(_loss_column(percent) for percent in HELD_OUT_PERCENTS),
        *(column for task, split in scored for column in _task_columns(rows, task, split)),
    ]
    if averaged:
        columns.append(_average_column(averaged))
    cells = tuple(_scores(row, scored, averaged) for row in rows) if tasks else ()
    return Table(
        name="downstream_scores", title="Downstream scores", columns=tuple(columns), rows=cells
    )


def _loss_column(percent: int) -> Column:
    title = f"held-out loss at {percent} %"
    return Column(name=f"loss_{percent}", title=title, unit="nats", kind="real")


def _average_column(tasks: Sequence[str]) -> Column:
    is_whole = len(tasks) == len(GLUE_TASKS)
    return Column(
        name=GLUE_AVERAGE,
        title="GLUE average" if is_whole else f"average of {len(tasks)} GLUE tasks",
        unit="all nine tasks" if is_whole else ", ".join(tasks),
        kind="real",
        digits=1,
    )


def _task_columns(rows: Sequence[ScoreRow], task: str, split: str) -> tuple[Column, ...]:
    """The median, and beside it for the CSV file where it comes from."""
    metric = next(score.metric for row in rows if (score := _any_score(row, task)))
    name = f"{task}/{split}" if split else task
    digits = 1 if display_scale(metric) > 1 else 2

    def real(ending: str) -> Column:
        return Column(name=f"{name}/{ending}", title=ending, kind="real", shown=False)

    return (
        Column(
            name=name,
            title=f"{task} ({split})" if split else task,
            unit=metric_label(metric),
            kind="real",
            digits=digits,
            limits=(f"{name}/low", f"{name}/high"),
        ),
        real("low"),
        real("high"),
        Column(name=f"{name}/seeds", title="seeds", kind="count", shown=False),
        Column(name=f"{name}/checkpoint", title="checkpoint", shown=False),
    )


def _any_score(row: ScoreRow, task: str) -> ScoreSummary | None:
    return next((summary for (name, _), summary in row.summaries.items() if name == task), None)


def _scores(
    row: ScoreRow, scored: Sequence[tuple[str, str]], averaged: Sequence[str]
) -> tuple[Cell, ...]:
    held_out = row.held_out
    cells: list[Cell] = [row.label]
    cells += [held_out.loss(percent) if held_out else None for percent in HELD_OUT_PERCENTS]
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
    columns = (
        RUN,
        _TASK,
        _CHECKPOINT,
        _STEP,
        Column(name="split", title="split"),
        Column(name="metric", title="metric"),
        Column(name="seeds", title="seeds", kind="count"),
        Column(name="median", title="median", kind="real", digits=2),
        Column(name="low", title="least", kind="real", digits=2),
        Column(name="high", title="largest", kind="real", digits=2),
        Column(name="quartile_1", title="first quartile", kind="real", digits=2),
        Column(name="quartile_3", title="third quartile", kind="real", digits=2),
        Column(name="learning_rate", title="learning rate"),
    )
    scored = [*run_rows(runs), *random_weights_rows(runs)]
    rows = tuple(
        _median_cells(row, task, checkpoint, split, score)
        for task in tasks_of(scored)
        for row in scored
        for checkpoint in sorted({name for _, name in row.summaries}, key=checkpoint_order)
        for split, score in _on_splits(row, task, checkpoint)
    )
    title = "Median and spread over the seeds"
    return Table(name="downstream_medians", title=title, columns=columns, rows=rows)


def _on_splits(row: ScoreRow, task: str, checkpoint: str) -> list[tuple[str, ScoreSummary]]:
    """The scores on dev, if there are any, and on other splits."""
    dev = row.summaries.get((task, checkpoint))
    others = (
        (split, score)
        for (name, which, split), score in row.on_other_splits.items()
        if (name, which) == (task, checkpoint)
    )
    return [*([("dev", dev)] if dev else []), *sorted(others, key=lambda one: one[0])]


def _median_cells(
    row: ScoreRow, task: str, checkpoint: str, split: str, score: ScoreSummary
) -> tuple[Cell, ...]:
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
        RUN,
        _TASK,
        _CHECKPOINT,
        _STEP,
        _SEED,
        Column(name="metric", title="metric"),
        Column(name="score", title="score", kind="real", digits=2),
        Column(name="learning_rate", title="learning rate", kind="real", digits=6),
        Column(name="seconds", title="time", kind="seconds"),
    )
    rows = tuple(
        _result_cells(row, result)
        for row, run in zip(run_rows(runs), runs, strict=True)
        for result in run.downstream
    )
    return Table(name="downstream", title="Downstream results", columns=columns, rows=rows)


def _result_cells(row: ScoreRow, result: DownstreamResult) -> tuple[Cell, ...]:
    return (
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


def downstream_metrics_table(runs: Sequence[ComparedRun]) -> Table:
    """Every metric of every result, on the scale on which it was written."""
    columns = (
        RUN,
        _TASK,
        _CHECKPOINT,
        _SEED,
        Column(name="metric", title="metric"),
        Column(name="value", title="value", kind="real"),
    )
    rows = tuple(
        (run.label, result.task, result.checkpoint, result.seed, name, value)
        for run in runs
        for result in run.downstream
        for name, value in result.metrics.items()
    )
    return Table(name="downstream_metrics", title="Downstream metrics", columns=columns, rows=rows)
