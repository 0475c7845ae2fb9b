"""The table of final scores: the cost and the held-out losses of each run, one row per run."""

from __future__ import annotations

from collections.abc import Sequence

from tidemask.report.results.compared_run import ComparedRun
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

RUN = Column(name="run", title="run")
COST = (
    Column(name=TOKENS_SEEN, title="tokens seen", kind="quantity"),
    Column(name=PREDICTED_TOKENS, title="predicted tokens", kind="quantity"),
    Column(name=WALL_SECONDS, title="training time", kind="seconds"),
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
            Column(name=f"loss_{percent}", title=title, unit="nats", kind="real", error=error),
            Column(name=error, title="standard error", kind="real", shown=False),
        ]
        title = f"below entropy at {percent}\u00a0%"
        gains += [
            Column(name=f"gain_{percent}", title=title, unit="nats", kind="real", signed=True)
        ]
    hidden = ("recipe", "directory", "seed", "status", "evaluated")
    columns = (
        RUN,
        *(Column(name=name, title=name, shown=False) for name in hidden),
        Column(name="mean_ratio", title="mean ratio", kind="real"),
        Column(
            name="ratio_deviation", title="realised − scheduled", kind="real", digits=4, signed=True
        ),
        Column(name="last_step", title="steps", kind="count"),
        *COST,
        *losses,
        Column(name=UNIGRAM_ENTROPY, title="unigram entropy", unit="nats", kind="real"),
        *gains,
    )
    rows = tuple(map(_scores, runs))
    return Table(name="scores", title="Final scores", columns=columns, rows=rows)


def _scores(run: ComparedRun) -> tuple[Cell, ...]:
    held_out, seed = run.held_out, run.setting("training.seed")
    losses = [held_out.loss(percent) if held_out else None for percent in HELD_OUT_PERCENTS]
    errors = [held_out.standard_error(p) if held_out else None for p in HELD_OUT_PERCENTS]
    entropy = held_out.unigram_entropy if held_out else None
    scheduled, realised = run.mean_over_steps(RATIO), run.mean_over_steps(REALISED_RATIO)
    return (
        run.label,
        run.recipe,
        str(run.directory),
        None if seed is None else str(seed),
        run.status,
        held_out.checkpoint if held_out else None,
        scheduled,
        _difference(realised, scheduled),
        run.last_step,
        _integer(run.last(TOKENS_SEEN)),
        _integer(run.last(PREDICTED_TOKENS)),
        run.last(WALL_SECONDS),
        *(cell for pair in zip(losses, errors, strict=True) for cell in pair),
        entropy,
        *(_difference(entropy, loss) for loss in losses),
    )


def _integer(value: float | None) -> int | None:
    return None if value is None else int(value)


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
