"""The tables of held-out losses that commands print at their end: one row a masking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemask.cli.tables import GAP, blocks_that_fit, print_table, table_width
from tidemask.cli.terminal import print_line
from tidemask.evaluation_files import read_metrics_of
from tidemask.run_record import (
    FINAL,
    HELD_OUT_CELLS,
    HELD_OUT_TASK,
    MEAN_LOSS,
    OWN_LOSS,
    START,
    UNIGRAM_CROSS_ENTROPY,
    UNIGRAM_ENTROPY,
    RunDirectory,
    standard_error_of,
)

_ROWS = {
    MEAN_LOSS: "mean of the six",
    **{cell.loss: cell.title for cell in HELD_OUT_CELLS},
    OWN_LOSS: "as its own policy masks",
    UNIGRAM_CROSS_ENTROPY: "word frequencies alone",
    UNIGRAM_ENTROPY: "unigram entropy",
}
_TITLE = "Held-out loss, nats per masked token (± standard error)"


def show_evaluations(results: Sequence[tuple[str, Mapping[str, float]]], *, of: str = "") -> None:
    """Print the held-out losses of checkpoints, `of` which run, side by side as far as they fit."""
    _show(
        [(name, {row: _loss(metrics, row) for row in _ROWS}) for name, metrics in results],
        title=f"{of}: {_TITLE}" if of else _TITLE,
    )


def show_start_and_final(run: RunDirectory) -> None:
    """Print the held-out losses after training, beside those before it if they were measured."""
    start, final = (read_metrics_of(run, HELD_OUT_TASK, name) for name in (START, FINAL))
    if final is None:
        return
    columns = [] if start is None else [(START, {row: _loss(start, row) for row in _ROWS})]
    columns.append((FINAL, {row: _loss(final, row) for row in _ROWS}))
    if start is not None:
        both = [row for row in _ROWS if row in start and row in final]
        changed = [row for row in both if row not in (UNIGRAM_CROSS_ENTROPY, UNIGRAM_ENTROPY)]
        columns.append(("difference", {row: f"{final[row] - start[row]:+.3f}" for row in changed}))
    _show(columns, title=_TITLE)


def _show(columns: Sequence[tuple[str, Mapping[str, str]]], *, title: str) -> None:
    """Rows that every column lacks are left out; what one lacks is a hyphen."""
    rows = [row for row in _ROWS if any(cells.get(row) for _, cells in columns)]
    widths = [max(len(name), *(len(cells.get(row, "")) for row in rows)) for name, cells in columns]
    room = table_width() - max(len(_ROWS[row]) for row in rows) - GAP
    print_line(title)
    for block in blocks_that_fit([width + GAP for width in widths], room):
        shown = [columns[place] for place in block]
        lines = [[_ROWS[row], *(cells.get(row) or "-" for _, cells in shown)] for row in rows]
        print_table(["masked", *(name for name, _ in shown)], lines)


def _loss(metrics: Mapping[str, float], name: str) -> str:
    if name not in metrics:
        return ""
    error = metrics.get(standard_error_of(name))
    return f"{metrics[name]:.3f}" + ("" if error is None else f" ± {error:.3f}")
