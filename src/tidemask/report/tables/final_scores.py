"""The table of final scores: the cost and the held-out losses of each run, one row per run."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.report.results.compared_run import ComparedRun, difference
from tidemask.report.results.measures import LOSSES
from tidemask.report.tables.typed_table import Cell, Column, Table
from tidemask.run_record import (
    DEVICE_SECONDS,
    FLOPS,
    HELD_OUT,
    MEAN_LOSS,
    PREDICTED_TOKENS,
    RATIO,
    REALISED_RATIO,
    TOKENS_SEEN,
    UNIGRAM_CROSS_ENTROPY,
    UNIGRAM_ENTROPY,
    WALL_SECONDS,
    standard_error_of,
)

RUN = Column("run", "run")
COST = (
    Column(TOKENS_SEEN, "tokens seen", kind="quantity"),
    Column(PREDICTED_TOKENS, "predicted tokens", kind="quantity"),
    Column(WALL_SECONDS, "training time", kind="seconds"),
    Column(DEVICE_SECONDS, "device time", kind="seconds", shown=False),
    Column(FLOPS, "floating-point operations", kind="quantity", shown=False),
)


def loss_column(name: str) -> str:
    """Name of a held-out loss as a column."""
    return name.removeprefix(HELD_OUT)


SUMMARY = (
    "run",
    "mean_ratio",
    "last_step",
    PREDICTED_TOKENS,
    WALL_SECONDS,
    loss_column(MEAN_LOSS),
    UNIGRAM_CROSS_ENTROPY,
    UNIGRAM_ENTROPY,
    "gain",
)
"""Columns of the final scores that stand for a run: its cost, and the mean over the cells."""


def cells_table(arms: Sequence[ComparedRun]) -> Table:
    """One row per arm: what it loses under which masking, means over its seeds, nats per token."""
    shown = {name: title for name, title in LOSSES.items() if name != MEAN_LOSS}
    columns = (
        Column("arm", "trained under"),
        *(Column(loss_column(name), title, kind="real") for name, title in shown.items()),
    )
    rows = tuple((arm.label, *map(arm.held_out.loss, shown)) for arm in arms)
    return Table(name="trained_under", columns=columns, rows=rows)


def cells_caption(cells: Table) -> str:
    """A caption that says which arm loses least under each masking that is the same for all."""
    caption = "Final held-out loss by masking"
    lowest: dict[str, list[str]] = {}
    for column in cells.columns[1:-1]:
        losses = dict(zip(cells.values("arm"), cells.values(column.name), strict=True))
        known = {str(arm): loss for arm, loss in losses.items() if isinstance(loss, float)}
        if len(known) > 1:
            lowest.setdefault(min(known, key=known.__getitem__), []).append(column.title)
    if len(lowest) == 1:
        return f"{caption}; the lowest under each that is the same for all: {next(iter(lowest))}"
    found = [f"{arm} under {', '.join(titles)}" for arm, titles in lowest.items()]
    return f"{caption}; the lowest: {'; '.join(found)}" if found else caption


def scores_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run: what it cost and its final held-out losses.

    `mean_ratio` is the mean scheduled ratio over the optimizer steps, `ratio_deviation` the mean
    realised ratio less it, `gain` the unigram cross-entropy less the mean held-out loss.
    """
    losses = []
    for name, title in LOSSES.items():
        error = loss_column(standard_error_of(name))
        losses += [
            Column(loss_column(name), title, unit="nats", kind="real", error=error),
            Column(error, "standard error", kind="real", shown=False),
        ]
    hidden = ("recipe", "directory", "seed", "status", "evaluated")
    columns = (
        RUN,
        *(Column(name, name, shown=False) for name in hidden),
        Column("mean_ratio", "mean ratio", kind="real"),
        Column("ratio_deviation", "realised − scheduled", kind="real", digits=4, signed=True),
        Column("last_step", "steps", kind="count"),
        *COST,
        *losses,
        Column(UNIGRAM_CROSS_ENTROPY, "word frequencies alone", unit="nats", kind="real"),
        Column(UNIGRAM_ENTROPY, "unigram entropy", unit="nats", kind="real"),
        Column("gain", "below word frequencies", unit="nats", kind="real", signed=True),
    )
    return Table(name="scores", columns=columns, rows=tuple(map(_scores, runs)))


def _scores(run: ComparedRun) -> tuple[Cell, ...]:
    held_out, seed = run.held_out, run.setting("training.seed")
    losses = [(held_out.loss(name), held_out.standard_error(name)) for name in LOSSES]
    scheduled, realised = run.mean_over_steps(RATIO), run.mean_over_steps(REALISED_RATIO)
    return (
        run.label,
        run.recipe,
        str(run.directory),
        None if seed is None else str(seed),
        run.status,
        held_out.checkpoint,
        scheduled,
        difference(realised, scheduled),
        run.last_step,
        _integer(run.last(TOKENS_SEEN)),
        _integer(run.last(PREDICTED_TOKENS)),
        run.last(WALL_SECONDS),
        run.last(DEVICE_SECONDS),
        run.last(FLOPS),
        *(cell for pair in losses for cell in pair),
        held_out.unigram_cross_entropy,
        held_out.unigram_entropy,
        held_out.gain,
    )


def _integer(value: float | None) -> int | None:
    return None if value is None else int(value)
