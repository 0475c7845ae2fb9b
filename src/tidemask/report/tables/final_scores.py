"""The table of final scores: the cost and the held-out losses of each run, one row per run."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.report.results.compared_run import ComparedRun, difference
from tidemask.report.tables.typed_table import Cell, Column, Table
from tidemask.run_record import (
    HELD_OUT_PERCENTS,
    PREDICTED_TOKENS,
    RATIO,
    REALISED_RATIO,
    TOKENS_SEEN,
    UNIGRAM_ENTROPY,
    WALL_SECONDS,
)

RUN = Column("run", "run")
COST = (
    Column(TOKENS_SEEN, "tokens seen", kind="quantity"),
    Column(PREDICTED_TOKENS, "predicted tokens", kind="quantity"),
    Column(WALL_SECONDS, "training time", kind="seconds"),
)

SUMMARY = (
    "run",
    "mean_ratio",
    "last_step",
    PREDICTED_TOKENS,
    WALL_SECONDS,
    *(f"loss_{percent}" for percent in HELD_OUT_PERCENTS),
    UNIGRAM_ENTROPY,
    "gain_15",
)
"""Columns of the final scores that fit on a terminal."""


def scores_table(runs: Sequence[ComparedRun]) -> Table:
    """One row per run: what it cost and its final held-out losses.

    `mean_ratio` is the mean scheduled ratio over the optimizer steps, `ratio_deviation` the mean
    realised ratio less it, `gain_p` the unigram entropy less the held-out loss at `p` per cent.
    """
    losses, gains = [], []
    for percent in HELD_OUT_PERCENTS:
        error = f"loss_{percent}_standard_error"
        title = f"held-out loss at {percent}\u00a0%"
        losses += [
            Column(f"loss_{percent}", title, unit="nats", kind="real", error=error),
            Column(error, "standard error", kind="real", shown=False),
        ]
        title = f"below entropy at {percent}\u00a0%"
        gains.append(Column(f"gain_{percent}", title, unit="nats", kind="real", signed=True))
    hidden = ("recipe", "directory", "seed", "status", "evaluated")
    columns = (
        RUN,
        *(Column(name, name, shown=False) for name in hidden),
        Column("mean_ratio", "mean ratio", kind="real"),
        Column("ratio_deviation", "realised − scheduled", kind="real", digits=4, signed=True),
        Column("last_step", "steps", kind="count"),
        *COST,
        *losses,
        Column(UNIGRAM_ENTROPY, "unigram entropy", unit="nats", kind="real"),
        *gains,
    )
    return Table(name="scores", columns=columns, rows=tuple(map(_scores, runs)))


def _scores(run: ComparedRun) -> tuple[Cell, ...]:
    held_out, seed = run.held_out, run.setting("training.seed")
    losses = [(held_out.loss(p), held_out.standard_error(p)) for p in HELD_OUT_PERCENTS]
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
        *(cell for pair in losses for cell in pair),
        held_out.unigram_entropy,
        *(held_out.gain(percent) for percent in HELD_OUT_PERCENTS),
    )


def _integer(value: float | None) -> int | None:
    return None if value is None else int(value)
