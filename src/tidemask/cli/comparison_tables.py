"""The tables that `tidemask compare` prints at its end, at most 80 columns wide."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tidemask.cli.tables import GAP, blocks_that_fit, print_table, table_width
from tidemask.cli.terminal import print_line
from tidemask.run_record import (
    HELD_OUT,
    HELD_OUT_CELLS,
    OWN_LOSS,
    PREDICTED_TOKENS,
    UNIGRAM_CROSS_ENTROPY,
    WALL_SECONDS,
)

if TYPE_CHECKING:
    from tidemask.report.compare import Comparison
    from tidemask.report.tables.typed_table import Table


def show_comparison(comparison: Comparison) -> None:
    """Print the final scores in the width of a terminal; the page and the CSV files hold more."""
    _show_held_out(comparison.summary)
    if comparison.downstream.rows:
        _show_downstream(comparison.downstream)
    for sentence in (*comparison.warnings, comparison.seeds, *comparison.verdicts):
        print_line(sentence)
    print_line(f"Report: {comparison.page}")


def _show_held_out(summary: Table) -> None:
    cost = ["run", "mean_ratio", PREDICTED_TOKENS, WALL_SECONDS]
    table = summary.select([*cost, "loss", UNIGRAM_CROSS_ENTROPY, "gain"])
    headings = ["arm", "ratio", "predicted", "min:s", "loss", "frequencies", "below"]
    rows = [[cell.split(" ± ")[0] for cell in row] for row in table.shown_rows()]
    for row, seconds in zip(rows, table.values(WALL_SECONDS), strict=True):
        if isinstance(seconds, float | int):
            row[3] = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    title = "Held-out loss, mean over six maskings, nats per token; word frequencies alone"
    print_table(headings, rows, title=title)
    losses = [*(cell.loss for cell in HELD_OUT_CELLS), OWN_LOSS]
    cells = summary.select(["run", *(loss.removeprefix(HELD_OUT) for loss in losses)])
    headings = ["arm", *(f"{cell.percent} %\n{cell.unit}s" for cell in HELD_OUT_CELLS)]
    rows = [[cell.split(" ± ")[0] for cell in row] for row in cells.shown_rows()]
    print_table([*headings, "own\npolicy"], rows, title="The same under each masking")


def _show_downstream(table: Table) -> None:
    """Tasks down, runs across: as many runs at once as fit, the others in a table below."""
    headings = [_narrow(str(label)) for label in table.values("run")]
    columns = zip(table.shown_columns, zip(*table.shown_rows(), strict=True), strict=True)
    lines = [
        [_narrow(column.title), *cells]
        for column, cells in list(columns)[1:]
        if column.name != "loss"
    ]
    widths = [
        max(map(len, [*heading.split("\n"), *(line[1 + run] for line in lines)])) + GAP
        for run, heading in enumerate(headings)
    ]
    names = [part for line in lines for part in line[0].split("\n")]
    room = table_width() - max(map(len, ["task", *names])) - GAP
    title = "Downstream scores: median (lowest to highest) over the seeds"
    for block in blocks_that_fit(widths, room):
        rows = [[line[0], *(line[1 + run] for run in block)] for line in lines]
        print_table(["task", *(headings[run] for run in block)], rows, title=title)


def _narrow(label: str) -> str:
    """A name over several lines, for runs stand side by side."""
    return "\n".join(textwrap.wrap(label, width=12))
